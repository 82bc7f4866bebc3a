import { createRequire } from 'node:module'

const load = createRequire(import.meta.url)

/** The YAML library, loaded when the first file needs it: most configs never do, and its 72 modules cost a start 50 ms. */
export function yaml(): typeof import('yaml') {
  return load('yaml') as typeof import('yaml')
}
