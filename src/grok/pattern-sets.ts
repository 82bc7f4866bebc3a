import { readdirSync, readFileSync } from 'node:fs'

/** Names of patterns to what they stand for. */
export type Patterns = ReadonlyMap<string, string>

/** Where references look: the user's patterns first. */
export interface KnownPatterns {
  readonly builtIn: Patterns
  readonly own: Patterns
}

/** `legacy`: the fields are `clientip`, `response` and so on. `ecs`: those of the Elastic Common Schema. */
export type PatternSet = 'legacy' | 'ecs'

const read = new Map<PatternSet, Patterns>()

/** The patterns that come with the program, read when first asked for. */
export function builtInPatterns(set: PatternSet): Patterns {
  const known = read.get(set)
  if (known !== undefined) return known
  const patterns = new Map<string, string>()
  const folder = new URL('./patterns/', import.meta.url)
  const files = readdirSync(folder).filter((name) => name.endsWith('.grok'))
  for (const file of files.toSorted()) {
    for (const [name, pattern] of readSet(readFileSync(new URL(file, folder), 'utf8'), set)) patterns.set(name, pattern)
  }
  read.set(set, patterns)
  return patterns
}

const LINE = /^(?:(?<set>legacy|ecs) )?(?<name>@?\w+) (?<text>.*)$/

/**
 * The patterns of one of our files for one set. Both sets are in one file, a line each:
 *
 *     NAME pattern                     for both
 *     ecs NAME pattern                 for one of them
 *     %{IP:clientip|[source][ip]}      a reference whose field is another in each set, legacy first; either may be left out
 *     %{DATA:file|WORD:[file][name]}   ... or all of it is another
 *     @part text                       a part that the lines behind it can use as @{part}
 */
function readSet(text: string, set: PatternSet): Map<string, string> {
  const patterns = new Map<string, string>()
  const parts = new Map<string, string>()
  for (const line of text.split('\n')) {
    const found = line.startsWith('#') ? undefined : LINE.exec(line)?.groups
    if (found === undefined) continue
    const { name = '', text: written = '' } = found
    const whole = written.replace(/@\{(\w+)\}/g, (_all, part: string) => parts.get(part) ?? missingPart(part, line))
    if (name.startsWith('@')) parts.set(name.slice(1), whole)
    else if (found['set'] === undefined || found['set'] === set) patterns.set(name, forSet(whole, set))
  }
  return patterns
}

function missingPart(part: string, line: string): never {
  throw new TypeError(`there is no @${part} before the line ${line}`)
}

/** Of references with a side for each set the side of one. */
function forSet(pattern: string, set: PatternSet): string {
  return pattern.replace(/%\{(\w+):?([^{}|]*)\|([^{}|]*)\}/g, (_all, name: string, legacy: string, ecs: string) => {
    if (set === 'legacy') return reference(name, legacy)
    return /^[A-Z0-9_]+:/.test(ecs) ? `%{${ecs}}` : reference(name, ecs)
  })
}

function reference(name: string, field: string): string {
  return field === '' ? `%{${name}}` : `%{${name}:${field}}`
}
