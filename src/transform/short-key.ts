import { createHash } from 'node:crypto'

/** Longer texts are kept as their digest. */
const KEY_LENGTH_MAX = 100

/**
 * A text from an event as a key to keep in memory: a text of its own, for a slice, which is what grok and dissect give,
 * would keep the whole line alive; a long one as its digest.
 */
export function shortKey(text: string): string {
  if (text.length <= KEY_LENGTH_MAX) return Buffer.from(text).toString()
  return `sha1:${createHash('sha1').update(text).digest('base64')}`
}
