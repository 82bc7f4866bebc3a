import { MillraceError } from '../../core/errors.ts'
import { type FieldRef, fieldRefOf, parseFieldRef } from '../../core/field-ref.ts'

/** What becomes of the text that a field of a pattern stands for. */
type FieldKind = 'skip' | 'set' | 'append' | 'indirect'

export interface PatternField {
  readonly kind: FieldKind
  /** Without its marks: `a` of `%{+a/2->}`. */
  readonly name: string
  readonly ref: FieldRef
  /** Where its text lies in the list of all texts. */
  readonly index: number
  /** What an appended text is joined with: the delimiter before it, or a blank. */
  readonly joint: string
}

export interface DissectPattern {
  /** Fields that are set, which comes first. */
  readonly set: readonly PatternField[]
  /** Then those that depend on others: appended ones in the order of their numbers, indirect ones. */
  readonly dependent: readonly PatternField[]
  /** The names of all fields, by index: where an indirect field looks its name up. */
  readonly names: readonly string[]
  /**
   * Cuts a text: the texts of all fields by index, or `undefined` where it does not fit. The list is the same at every call.
   */
  cut(text: string): readonly string[] | undefined
}

interface Part {
  readonly kind: FieldKind
  readonly name: string
  readonly order: number
  readonly previous: string
  /** `->`: the delimiter behind it may come several times. */
  readonly isPadded: boolean
}

const FIELD = /%\{([^}]*)\}/g
const SUFFIX = String.raw`/\d{1,2}->|->/\d{1,2}|/\d{1,2}|->`
const SUFFIX_ONLY = new RegExp(`^(?:${SUFFIX})?$`)
const NAME_AND_SUFFIX = new RegExp(`^(.+?)(${SUFFIX})?$`, 's')
const ORDERS = { skip: 0, set: 1, append: 100, indirect: 1000 } as const

/**
 * Compiles `%{a} %{+a/2} %{?b->} %{&b}` with the text between the fields as delimiters.
 * @throws MillraceError OPTION_INVALID for a pattern without fields or with a field that is none
 */
export function compileDissectPattern(pattern: string): DissectPattern {
  const parts = readParts(pattern)
  const fields: PatternField[] = parts.map(({ kind, name, previous }, index) => {
    const ref = kind === 'skip' || name === '' ? fieldRefOf([name]) : parseFieldRef(name)
    return { kind, name, ref, index, joint: previous === '' ? ' ' : previous }
  })
  const dependent = fields
    .filter(({ kind }) => kind === 'append' || kind === 'indirect')
    .toSorted((a, b) => (parts[a.index]?.order ?? 0) - (parts[b.index]?.order ?? 0))
  const set = fields.filter(({ kind }) => kind === 'set')
  return { set, dependent, names: parts.map(({ name }) => name), cut: compileCut(parts) }
}

function readParts(pattern: string): Part[] {
  const parts: Part[] = []
  let end = 0
  for (const found of pattern.matchAll(FIELD)) {
    parts.push({ ...readField(found[1] ?? '', pattern), previous: pattern.slice(end, found.index) })
    end = found.index + found[0].length
  }
  if (parts.length === 0) throw invalid(pattern, 'it has no field such as %{name} in it')
  // As in Logstash: what stands behind the last brace of all, which need not be that of the last field.
  const rest = pattern.slice(pattern.lastIndexOf('}') + 1)
  if (rest !== '') parts.push({ kind: 'skip', name: '', order: ORDERS.skip, previous: rest, isPadded: false })
  return parts
}

function readField(text: string, pattern: string): Omit<Part, 'previous'> {
  if (text.startsWith('+&') || text.startsWith('&+')) {
    throw invalid(pattern, `%{${text}}: Field cannot prefix with both Append and Indirect Prefix`)
  }
  const mark = text[0] ?? ''
  const kind = text === '' || mark === '?' ? 'skip' : mark === '+' ? 'append' : mark === '&' ? 'indirect' : 'set'
  const marked = kind === 'set' ? text : text.slice(1)
  const [name, suffix] = nameAndSuffix(marked)
  if (name === '' && (kind === 'append' || kind === 'indirect')) throw invalid(pattern, `%{${text}} has no name`)
  const number = kind === 'append' ? Number(/\d+/.exec(suffix)?.[0] ?? 0) : 0
  return { kind, name, order: ORDERS[kind] + number, isPadded: suffix.includes('->') }
}

function nameAndSuffix(text: string): readonly [name: string, suffix: string] {
  if (SUFFIX_ONLY.test(text)) return ['', text]
  const [, name = text, suffix = ''] = NAME_AND_SUFFIX.exec(text) ?? []
  return [name, suffix]
}

function invalid(pattern: string, why: string): MillraceError {
  return new MillraceError('OPTION_INVALID', `mapping: expected a dissect pattern, got ${JSON.stringify(pattern)}: ${why}`)
}

/** Finds each delimiter from where the one before it ended; what lies between is a field's text, the last gets the rest. */
function compileCut(parts: readonly Part[]): DissectPattern['cut'] {
  const prefix = parts[0]?.previous ?? ''
  const last = parts.length - 1
  const nexts = parts.map((_part, index) => parts[index + 1]?.previous ?? '')
  const padded = parts.map(({ isPadded }) => isPadded)
  const texts = Array<string>(parts.length).fill('')
  return (text) => {
    if (!text.startsWith(prefix)) return undefined
    let start = prefix.length
    for (let index = 0; index < last; index++) {
      const next = nexts[index] ?? ''
      // Between two fields without a delimiter there is no border to find.
      const at = next === '' ? -1 : text.indexOf(next, start)
      if (at < 0) return undefined
      texts[index] = text.slice(start, at)
      // As in Logstash: a delimiter that the text begins with is left to the next field.
      if (at > 0) start = at + next.length
      if (padded[index] === true) while (text.startsWith(next, start)) start += next.length
    }
    texts[last] = text.slice(start)
    return texts
  }
}
