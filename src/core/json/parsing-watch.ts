/** In the place of a name: the whole text. */
export const WHOLE_TEXT = ''

/** Told the name of a map or list that is parsed out of an event's text, or `WHOLE_TEXT`. */
export type ParsingWatch = (name: string) => void

let watch: ParsingWatch | undefined

/** Has somebody told what of events' texts is parsed, from here on; for measurements, so there is one at a time. */
export function watchParsing(next: ParsingWatch | undefined): void {
  watch = next
}

/** Tells whoever watches. */
export function tellParsed(name: string): void {
  watch?.(name)
}
