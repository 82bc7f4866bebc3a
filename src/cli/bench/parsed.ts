import { type ParsingWatch, WHOLE_TEXT } from '../../core/json/parsing-watch.ts'

/** How often what of events' texts was parsed: a map or list by its name, or the whole text. */
export type Parsed = Map<string, number>

/** Counts what is parsed. */
export function tally(parsed: Parsed): ParsingWatch {
  return (name) => parsed.set(name, (parsed.get(name) ?? 0) + 1)
}

/** What `events` events had parsed, the most frequent first: "parses `fields`, 0.98 times an event". */
export function sentencesOf(parsed: ReadonlyMap<string, number>, events: number): string[] {
  return [...parsed]
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, count]) => {
      const what = name === WHOLE_TEXT ? 'a whole text' : `\`${name}\`, which is a map or a list`
      return `parses ${what}: ${(count / events).toFixed(2)} times an event`
    })
}
