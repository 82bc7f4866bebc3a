import * as fc from 'fast-check'

const NAMES = [
  'a',
  'b',
  'c',
  'level',
  'message',
  'tags',
  '@timestamp',
  '@metadata',
  '@version',
  '__proto__',
  '',
  '1',
  'é',
  '[x]',
  'h',
]
const name = fc.constantFrom(...NAMES)
const scalar = fc.oneof(
  fc.constantFrom(
    '1.0',
    '12345678901234567890',
    '1e5',
    '-0',
    '7',
    'null',
    'true',
    'false',
    '""',
    '":1"',
    '"\\":1.0"',
    '"\\u00e9\\/"',
  ),
  fc.constantFrom('"2024-01-02T03:04:05.123456Z"', '"й😀"', '1.50', '-12'),
  fc.string().map((text) => JSON.stringify(text)),
)
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
    fc.array(fc.tuple(name, tie('value')), { maxLength: 3 }).map(objectOf),
  ),
}))
/** One JSON object in one line, of every kind of value. */
export const JSON_LINE = fc.uniqueArray(fc.tuple(name, value), { maxLength: 8, selector: ([key]) => key }).map(objectOf)

function objectOf(members: readonly (readonly [name: string, value: string])[]): string {
  return `{${members.map(([key, text], index) => `${JSON.stringify(key)}${index % 3 === 1 ? ' : ' : ':'}${text}`).join(',')}}`
}

/** Whole numbers from 0 up to below `limit`. */
export type Random = (limit: number) => number

/** The same numbers for the same seed. */
export function randomFrom(seed: number): Random {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 8) % limit
  }
}

const PIECES = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  ' ',
  '\n',
  '0',
  '-',
  '.',
  'e',
  '\u0000',
  'é',
  '\ud800',
  '\\u',
  '\\ud83d\\ude00',
  '\\uD800',
  '"\\u0061":1,',
  'null',
  '"a":1,',
]

/** The text with one or two faults. */
export function mutated(text: string, random: Random): string {
  const at = random(text.length + 1)
  const end = at + random(6)
  const rest = [text.slice(at), text.slice(end), '', text.slice(at) + text.slice(at), text.slice(end)][random(5)] ?? ''
  const made = text.slice(0, at) + (random(2) === 0 ? PIECES[random(PIECES.length)] : '') + rest
  return random(3) === 0 ? mutated(made, random) : made
}
