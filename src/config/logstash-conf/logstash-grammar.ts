/**
 * Where Logstash's own parser would give up, and what it would say it expected there. Our parser tells the cause; this tells
 * the words that people search for. It recognizes the same language by the same rules, tried in the same order, for
 * Logstash lists what it tried at the furthest place it came to.
 */
export interface Refusal {
  readonly offset: number
  /** What would have fitted there, as Logstash writes it, in its order. */
  readonly expected: readonly string[]
  /** Behind the last section that was understood. */
  readonly since: number
}

/** @returns undefined for a text that Logstash takes */
export function refusalOf(text: string): Refusal | undefined {
  const run = new Run(text)
  const since = config(run, 0)
  if (since === text.length) return undefined
  return { offset: run.furthest, expected: run.expected, since }
}

/** Where a pattern that begins at `at` ends, or NONE. */
type Pattern = (run: Run, at: number) => number

const NONE = -1
/** Deeper texts are refused by our parser before Logstash's words matter. */
const DEPTH_MAX = 1_200

class Run {
  readonly text: string
  furthest = 0
  expected: string[] = []
  depth = 0
  readonly known = new Map<Pattern, Map<number, number>>()

  constructor(text: string) {
    this.text = text
  }

  miss(at: number, shown: string): typeof NONE {
    if (at > this.furthest) {
      this.furthest = at
      this.expected = []
    }
    if (at === this.furthest && !this.expected.includes(shown)) this.expected.push(shown)
    return NONE
  }
}

function literal(text: string, shown = `"${text}"`): Pattern {
  return (run, at) => (run.text.startsWith(text, at) ? at + text.length : run.miss(at, shown))
}

/** One character of a class, shown as it is written; `many`: as many as there are, at least `min`. */
function of(charClass: string, { min = 1, many = false } = {}): Pattern {
  const pattern = new RegExp(many ? `${charClass}*` : charClass, 'y')
  return (run, at) => {
    pattern.lastIndex = at
    const length = pattern.exec(run.text)?.[0].length ?? 0
    if (many || length === 0) run.miss(at + length, charClass)
    return length >= min ? at + length : NONE
  }
}

function sequence(...patterns: readonly Pattern[]): Pattern {
  return (run, at) => {
    let end = at
    for (const pattern of patterns) {
      end = pattern(run, end)
      if (end === NONE) return NONE
    }
    return end
  }
}

function choice(...patterns: readonly Pattern[]): Pattern {
  return (run, at) => {
    for (const pattern of patterns) {
      const end = pattern(run, at)
      if (end !== NONE) return end
    }
    return NONE
  }
}

function repeated(pattern: Pattern, min = 0): Pattern {
  return (run, at) => {
    let end = at
    for (let count = 0; ; count++) {
      const next = pattern(run, end)
      if (next === NONE) return count < min ? NONE : end
      end = next
    }
  }
}

function optional(pattern: Pattern): Pattern {
  return (run, at) => {
    const end = pattern(run, at)
    return end === NONE ? at : end
  }
}

/** A named rule: its result at a place is found once. Given as a function, for rules name one another. */
function rule(make: () => Pattern): Pattern {
  let pattern: Pattern | undefined
  const remembered: Pattern = (run, at) => {
    pattern ??= make()
    let known = run.known.get(remembered)
    if (known === undefined) run.known.set(remembered, (known = new Map<number, number>()))
    const before = known.get(at)
    if (before !== undefined) return before
    if (run.depth >= DEPTH_MAX) return NONE
    run.depth++
    const end = pattern(run, at)
    run.depth--
    known.set(at, end)
    return end
  }
  return remembered
}

/** Up to the next delimiter that no backslash stands right before. */
function delimited(delimiter: string, shown: string, escaped: string): Pattern {
  return (run, at) => {
    if (!run.text.startsWith(delimiter, at)) return run.miss(at, shown)
    for (let end = run.text.indexOf(delimiter, at + 1); end >= 0; end = run.text.indexOf(delimiter, end + 1)) {
      if (end === at + 1 || run.text[end - 1] !== '\\') return end + 1
    }
    for (const what of [escaped, 'any character', shown]) run.miss(run.text.length, what)
    return NONE
  }
}

const BLANK = '[ \\t\\r\\n]'
const SKIPPED = /(?:[ \t\r\n]+|#[^\r\n]*)*/y

/** Blanks and comments. */
const cs: Pattern = (run, at) => {
  SKIPPED.lastIndex = at
  const end = at + (SKIPPED.exec(run.text)?.[0].length ?? 0)
  run.miss(end, BLANK)
  run.miss(end, '"#"')
  return end
}

const blank = of(BLANK, { many: true })
const bareword = sequence(of('[A-Za-z_]'), of('[A-Za-z0-9_]', { many: true }))
const string = choice(delimited('"', `'"'`, `'\\"'`), delimited("'", `"'"`, `"\\\\'"`))
const regexp = delimited('/', "'/'", "'\\/'")
const digits = of('[0-9]', { many: true })
const number = sequence(optional(literal('-')), digits, optional(sequence(literal('.'), of('[0-9]', { min: 0, many: true }))))
const name = rule(() => choice(of('[A-Za-z0-9_-]', { many: true }), string))

const selector = rule(() => repeated(sequence(literal('['), of('[^\\]\\[,]', { many: true }), literal(']')), 1))
const listOf = (item: Pattern): Pattern => optional(sequence(item, repeated(sequence(cs, literal(','), cs, item))))
const rvalue = rule(() => choice(string, number, selector, array, methodCall, regexp))
const methodCall = sequence(bareword, cs, literal('('), cs, listOf(rvalue), cs, literal(')'))
const compareOperator = choice(...['==', '!=', '<=', '>=', '<', '>'].map((operator) => literal(operator)))
const expression = rule(() =>
  choice(
    sequence(literal('('), cs, condition, cs, literal(')')),
    sequence(literal('!'), cs, literal('('), cs, condition, cs, literal(')')),
    sequence(literal('!'), cs, selector),
    sequence(rvalue, cs, literal('in'), cs, rvalue),
    sequence(rvalue, cs, literal('not '), cs, literal('in'), cs, rvalue),
    sequence(rvalue, cs, compareOperator, cs, rvalue),
    sequence(rvalue, cs, choice(literal('=~'), literal('!~')), cs, choice(string, regexp)),
    rvalue,
  ),
)
const booleanOperator = choice(...['and', 'or', 'xor', 'nand'].map((operator) => literal(operator)))
const condition = rule(() => sequence(expression, repeated(sequence(cs, booleanOperator, cs, expression))))

const block: Pattern = (run, at) => sequence(literal('{'), cs, repeated(sequence(statement, cs)), literal('}'))(run, at)
const branch = rule(() =>
  sequence(
    sequence(literal('if'), cs, condition, cs, block),
    repeated(sequence(cs, literal('else'), cs, literal('if'), cs, condition, cs, block)),
    optional(sequence(cs, literal('else'), cs, block)),
  ),
)
const statement = rule(() => choice(branch, plugin))

const attribute = sequence(name, cs, literal('=>'), cs, (run, at) => value(run, at))
const plugin = rule(() =>
  sequence(name, cs, literal('{'), cs, optional(sequence(attribute, repeated(sequence(blank, cs, attribute)))), cs, literal('}')),
)
const value = rule(() => choice(plugin, bareword, string, number, array, hash))
const array = rule(() => sequence(literal('['), cs, listOf(value), cs, literal(']')))
const entry = sequence(choice(number, bareword, string), cs, literal('=>'), cs, (run, at) => value(run, at))
const hash = sequence(literal('{'), cs, optional(sequence(entry, repeated(sequence(cs, entry)))), cs, literal('}'))

const section = sequence(choice(literal('input'), literal('filter'), literal('output')), cs, block)
const config = sequence(repeated(sequence(cs, section)), cs)
