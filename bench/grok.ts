// Claim: grok with a time limit costs no more than twice the obvious way without one, and a line that does not match no more
// than 25 times one that does. One event with a line in, its fields set, in events per second of CPU.
import { toRegExp } from 'oniguruma-to-es'
import { compileFilter } from '../src/compile/filter.ts'
import { Event } from '../src/core/event.ts'
import { parseFieldRef } from '../src/core/field-ref.ts'
import { Timestamp } from '../src/core/values.ts'
import { Expander } from '../src/grok/expand.ts'
import { builtInPatterns } from '../src/grok/pattern-sets.ts'
import { grok } from '../src/transform/grok/grok.ts'
import { componentNode } from '../test/helpers/config-value.ts'
import { testContext } from '../test/helpers/context.ts'
import { type Comparison, compare, type Way } from './harness/compare.ts'
import { eventWay } from './harness/filter-way.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

const LINES = 5_000
/** What the beats input hands on at once. */
const BATCH = 512
const PATTERN = '%{COMBINEDAPACHELOG}'
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0'
const NOW = new Timestamp(Date.UTC(2026, 0, 2))

/** All of them have 150 characters or a few more. */
const KINDS = {
  matching: (index: number) =>
    `10.0.${index % 256}.${index % 251} - anna [01/Mar/2026:08:30:00 +0000] "GET /orders/${index} HTTP/1.1" 200 5120 "https://example.org/" "${AGENT}"`,
  'not matching: other text': (index: number) =>
    `2026-03-01T08:30:00.123Z INFO [worker-${index % 8}] com.example.orders.OrderService - order ${index} of user anna was stored in 12 ms after 2 tries, queue is empty`,
  'not matching: wrong at the end': (index: number) =>
    `10.0.${index % 256}.${index % 251} - anna [01/Mar/2026:08:30:00 +0000] "GET /orders/${index} HTTP/1.1" OK 5120 "https://example.org/" "${AGENT}"`,
} as const
type Kind = keyof typeof KINDS

type GrokFigures = readonly { readonly kind: Kind; readonly comparison: Comparison }[]

/** Compares the obvious way with ours over lines of each kind. */
async function benchGrok(): Promise<GrokFigures> {
  const figures: { kind: Kind; comparison: Comparison }[] = []
  for (const kind of Object.keys(KINDS) as Kind[]) {
    showProgress(`grok: ${kind}`)
    const lines = Array.from({ length: LINES }, (_, index) => KINDS[kind](index))
    figures.push({ kind, comparison: await compare(obvious(lines), await ours(lines), LINES) })
  }
  return figures
}

function obvious(lines: readonly string[]): Way {
  const { source, captures } = new Expander({ builtIn: builtInPatterns('legacy'), own: new Map() }, true).expand(PATTERN)
  const regex = toRegExp(source, { flags: 'm' })
  const setters = captures.map(({ field, groups }) => ({ ref: parseFieldRef(field), group: `g${groups[0]}` }))
  return eventWay('toRegExp() of oniguruma-to-es', lines, (event, message) => {
    const groups = regex.exec(message)?.groups
    if (groups === undefined) return event.tag('_grokparsefailure')
    for (const { ref, group } of setters) if (groups[group] !== undefined) event.set(ref, groups[group])
  })
}

/** As a pipeline runs it: batch by batch. */
async function ours(lines: readonly string[]): Promise<Way> {
  const context = testContext({ ecs_compatibility: 'disabled' })
  const parts = await compileFilter(grok, componentNode('grok', { match: { message: PATTERN } }), context, () => {})
  if (parts?.prepare === undefined) throw new TypeError('the options of grok are not valid')
  const { prepare, step } = parts
  const { signal } = new AbortController()
  const run = async (): Promise<number> => {
    for (let at = 0; at < lines.length; at += BATCH) {
      const events = lines.slice(at, at + BATCH).map((message) => Event.from({ message }, NOW, { exact: false }))
      await prepare(events, signal)
      for (const event of events) step(event, () => {})
    }
    return lines.length
  }
  return { name: 'our grok', run }
}

const TITLE = 'grok: %{COMBINEDAPACHELOG} and lines of 150 characters, events in a second of CPU'

function grokRows(figures: GrokFigures): Row[] {
  const matching = figures[0]?.comparison.other.median ?? Number.NaN
  return figures.flatMap(({ kind, comparison: { base, other, ratio } }): Row[] => {
    const costs = matching / other.median
    return [
      { what: `${kind}, ${base.name}`, unit: '', figures: base },
      { what: `${kind}, ${other.name}`, unit: '', figures: other },
      { what: '  ours to the obvious', unit: '', digits: 2, figures: ratio, claim: { at_least: 0.5 } },
      {
        what: '  costs of one that matches',
        unit: '',
        digits: 1,
        figures: { median: costs, least: costs, most: costs },
        claim: { at_most: 25 },
      },
    ]
  })
}

printTable(TITLE, grokRows(await benchGrok()))
