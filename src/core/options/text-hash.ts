import { hash, type Option, readText } from './options.ts'

/** An entry of a hash whose value is a text. */
export interface TextEntry {
  readonly name: string
  readonly text: string
}

/** A hash of names and texts, in the order of the file; a value that is none is an error of the config. Default: empty. */
export function textHash(
  summary: string,
  settings: { readonly default: { readonly [name: string]: string } } = { default: {} },
): Option<readonly TextEntry[]> {
  const any = hash(summary, settings)
  return {
    ...any,
    type: 'hash of texts',
    read: (value, report) => {
      const entries = any.read(value, report)?.map((entry) => ({ name: entry.name, text: readText(entry.value, report) }))
      return entries === undefined || entries.some(({ text }) => text === undefined) ? undefined : (entries as TextEntry[])
    },
  }
}
