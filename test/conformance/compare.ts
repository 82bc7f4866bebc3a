/** How two outputs differ on purpose or by mistake. */
export interface Comparison {
  /** A diff for people; `undefined`: they are equal. */
  readonly difference: string | undefined
  /** Numbers that print in another notation, as they came in (class e). */
  readonly notations: number
}

export interface Reading {
  /** What came out, lines and all. */
  readonly expected: string
  readonly actual: string
  /** What went in, to find out whether a number is as it came. */
  readonly input: string
  readonly volatile: readonly string[]
  /** The time at which it ran, for `<now>` and `<today>`. */
  readonly now_ms: number
  /** Field order shows in the lines themselves. */
  readonly is_pretty?: boolean
}

type Json = null | boolean | string | Decimal | Json[] | { [name: string]: Json }

/** Compares outputs as JSON values, or as lines where they are not JSON. */
export function compareOutputs(reading: Reading): Comparison {
  const expected = documentsOf(reading.expected)
  const actual = documentsOf(reading.actual)
  if (expected === undefined || actual === undefined) return compareLines(reading)
  const comparer = new Comparer(reading)
  const differences: string[] = []
  for (let index = 0; index < Math.max(expected.length, actual.length); index++) {
    const [wanted, got] = [expected[index], actual[index]]
    if (wanted !== undefined && got !== undefined && comparer.areEqual(wanted, got)) continue
    differences.push(`  event ${index + 1}:`, ...comparer.diff(wanted, got))
  }
  return { difference: differences.length === 0 ? undefined : differences.join('\n'), notations: comparer.notations }
}

/** Lines of a pretty print: in any order, for that of the fields does not count. */
function compareLines({ expected, actual, is_pretty }: Reading): Comparison {
  const linesOf = (text: string): string[] => {
    const lines = text.trimEnd().split('\n')
    return is_pretty === true ? lines.map((line) => line.replace(/,$/, '')).toSorted() : lines
  }
  const [wanted, got] = [linesOf(expected), linesOf(actual)]
  if (wanted.join('\n') === got.join('\n')) return { difference: undefined, notations: 0 }
  const difference = [...wanted.map((line) => `  - ${line}`), ...got.map((line) => `  + ${line}`)].join('\n')
  return { difference, notations: 0 }
}

/** JSON values one after the other, or `undefined` for text that is something else. */
function documentsOf(text: string): Json[] | undefined {
  const documents: Json[] = []
  let rest = ''
  // Objects may follow each other without anything between them, and such a seam may also be inside a text.
  for (const piece of text.split(/\n|(?<=\})(?=\{)/)) {
    rest += piece
    const value = tryParse(rest)
    if (value === undefined) continue
    documents.push(value)
    rest = ''
  }
  return rest === '' ? documents : undefined
}

function tryParse(text: string): Json | undefined {
  try {
    return parseExactly(text)
  } catch {
    return undefined
  }
}

/** A number by its exact decimal value. */
class Decimal {
  readonly text: string
  /** `-15e-1` for -1.50. */
  readonly exact: string

  constructor(text: string) {
    this.text = text
    const [, sign = '', whole = '', fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
    const digits = (whole + fraction).replace(/^0+/, '')
    const significant = digits.replace(/0+$/, '')
    const power = BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - significant.length)
    this.exact = significant === '' ? '0' : `${sign}${significant}e${power}`
  }
}

function parseExactly(text: string): Json {
  const reviver = (_name: string, value: unknown, context: { source?: string }): unknown =>
    typeof value === 'number' ? new Decimal(context.source ?? String(value)) : value
  // TypeScript's library knows no third argument yet: https://github.com/tc39/proposal-json-parse-with-source
  return JSON.parse(text, reviver as (name: string, value: unknown) => unknown) as Json
}

function isObject(value: Json): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Decimal)
}

class Comparer {
  notations = 0
  readonly #reading: Reading
  readonly #clock: { readonly [placeholder: string]: string }

  constructor(reading: Reading) {
    this.#reading = reading
    const day = new Date(reading.now_ms).toISOString().slice(0, 10)
    this.#clock = { '<now>': `${day}T\\d\\d:\\d\\d:\\d\\d\\.\\d{3,9}Z`, '<today>': day.replaceAll('-', '[-.]') }
  }

  areEqual(expected: Json, actual: Json, name = ''): boolean {
    if (expected instanceof Decimal && actual instanceof Decimal) return this.#sameNumber(expected, actual)
    if (typeof expected === 'string') return this.#sameText(expected, actual) || this.#isVolatile(name, expected, actual)
    if (Array.isArray(expected)) {
      if (!Array.isArray(actual) || actual.length !== expected.length) return false
      return expected.every((item, index) => this.areEqual(item, actual[index] as Json))
    }
    if (isObject(expected)) {
      if (!isObject(actual)) return false
      const names = Object.keys(expected)
      if (names.length !== Object.keys(actual).length) return false
      return names.every((key) => Object.hasOwn(actual, key) && this.areEqual(expected[key] as Json, actual[key] as Json, key))
    }
    return expected === actual
  }

  #sameNumber(expected: Decimal, actual: Decimal): boolean {
    if (expected.exact === actual.exact) return true
    return this.#isAsItCame(actual) && Number(expected.text) === Number(actual.text)
  }

  /** Class e: Logstash printed the nearest double, we print the number that came. */
  #isAsItCame(actual: Decimal): boolean {
    if (!this.#reading.input.includes(actual.text)) return false
    this.notations++
    return true
  }

  #sameText(expected: string, actual: Json): boolean {
    // A double that is too large for one comes out of Logstash as text.
    if (actual instanceof Decimal)
      return expected === String(Number(actual.text)) && /Infinity/.test(expected) && this.#isAsItCame(actual)
    if (typeof actual !== 'string') return false
    if (expected === actual) return true
    if (expected.includes('<now>') || expected.includes('<today>')) {
      const pattern = expected.split(/(<now>|<today>)/).map((part) => this.#clock[part] ?? escapeRegex(part))
      return new RegExp(`^${pattern.join('')}$`).test(actual)
    }
    return this.#sameParts(expected, actual)
  }

  /** Texts that are alike but for the order of fields in the JSON objects that they hold. */
  #sameParts(expected: string, actual: string): boolean {
    const [wanted, got] = [partsOf(expected), partsOf(actual)]
    if (wanted.length < 2 || wanted.length !== got.length) return false
    return wanted.every((part, index) => {
      const other = got[index] as string | Json
      return typeof part === 'string' ? part === other : typeof other !== 'string' && this.areEqual(part, other)
    })
  }

  #isVolatile(name: string, expected: string, actual: Json): boolean {
    if (!this.#reading.volatile.includes(name) || typeof actual !== 'string') return false
    // Times are those of a known clock, the others are unlike each other every time.
    return name !== '@timestamp' && shapeOf(expected) === shapeOf(actual)
  }

  /** The lines of two documents that are not in both. */
  diff(expected: Json | undefined, actual: Json | undefined): string[] {
    const lines: string[] = []
    const [wanted, got] = [membersOf(expected), membersOf(actual)]
    for (const name of [...new Set([...wanted.keys(), ...got.keys()])].toSorted()) {
      const [left, right] = [wanted.get(name), got.get(name)]
      if (left !== undefined && right !== undefined && this.areEqual(left, right, name)) continue
      if (left !== undefined) lines.push(`  - ${name}: ${print(left)}`)
      if (right !== undefined) lines.push(`  + ${name}: ${print(right)}`)
    }
    return lines
  }
}

/** A text as pieces of text and the JSON objects between them. */
function partsOf(text: string): (string | { [name: string]: Json })[] {
  const parts: (string | { [name: string]: Json })[] = []
  let rest = text
  for (let open = rest.indexOf('{"'); open >= 0; open = rest.indexOf('{"', open + 1)) {
    for (let close = rest.indexOf('}', open); close >= 0; close = rest.indexOf('}', close + 1)) {
      const value = tryParse(rest.slice(open, close + 1))
      if (value === undefined || !isObject(value)) continue
      parts.push(rest.slice(0, open), value)
      rest = rest.slice(close + 1)
      open = -1
      break
    }
  }
  return [...parts, rest]
}

function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}

/** Which kinds of characters stand where: `2026-11-22` is `0-0-0`. */
function shapeOf(text: string): string {
  return text.replace(/[0-9a-f]+/gi, '0')
}

function membersOf(document: Json | undefined): Map<string, Json> {
  if (document === undefined) return new Map()
  return new Map(isObject(document) ? Object.entries(document) : [['(all of it)', document]])
}

function print(value: Json): string {
  if (value instanceof Decimal) return value.text
  if (Array.isArray(value)) return `[${value.map(print).join(', ')}]`
  if (isObject(value))
    return `{${Object.entries(value)
      .map(([name, inner]) => `${JSON.stringify(name)}: ${print(inner)}`)
      .join(', ')}}`
  return JSON.stringify(value)
}
