// Claim: a pipeline of 20 filters of all kinds costs two thirds of what the same filters cost over the simple event, whose text is
// parsed, changed and printed. The simple event is what the tests hold the other one against. A line in, a document out.
import { json } from '../src/codecs/json.ts'
import { linkChain } from '../src/compile/chain/chain.ts'
import { compilePipeline } from '../src/compile/pipeline.ts'
import { loadCatalog } from '../src/components.ts'
import { readPipelineJson } from '../src/config/pipeline-json/read-pipeline.ts'
import type { Decoded } from '../src/core/contracts.ts'
import { Event } from '../src/core/event.ts'
import { parseJson } from '../src/core/json/json.ts'
import { TextWriter } from '../src/core/json/text-writer.ts'
import { componentsOf } from '../src/core/plan.ts'
import { isFields, Timestamp } from '../src/core/values.ts'
import { requestLog } from '../src/sample/request-log.ts'
import { testContext } from '../test/helpers/context.ts'
import { type Comparison, compare, type Way } from './harness/compare.ts'
import { SAMPLE_DATABASE } from './harness/located.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

const LINES = 4_000
const BATCH = 256
const CLAIM = 1.5
/** Of a bulk request. */
const BODY_BYTES = 1024 * 1024
const NOW = new Timestamp(Date.UTC(2026, 0, 2))
const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
]

const FILTERS = [
  { date: { match: ['ts', 'ISO8601'], target: 'logged_at' } },
  { mutate: { rename: { msg: 'summary' }, convert: { user_id: 'string', price: 'float' } } },
  { mutate: { gsub: ['endpoint', '/', '.'], uppercase: ['side'] } },
  { mutate: { add_field: { '[@metadata][index]': 'exchange-logs-%{+YYYY.MM.dd}' }, copy: { level: 'severity' } } },
  { grok: { match: { caller: '%{WORD:[code][file]}\\.go:%{INT:[code][line]:int}' } } },
  { dissect: { mapping: { symbol: '%{base}-%{quote}' } } },
  { kv: { source: 'query', field_split: '&', target: 'parameters' } },
  { csv: { source: 'row', columns: ['amount', 'unit', 'desk'] } },
  { json: { source: 'inner', target: 'document' } },
  { urldecode: { field: 'encoded' } },
  { if: '[ip]', then: [{ geoip: { source: 'ip', database: SAMPLE_DATABASE } }] },
  { cidr: { address: ['%{ip}'], network: ['10.0.0.0/8', '192.168.0.0/16', '172.16.0.0/12'], add_tag: ['inside'] } },
  { useragent: { source: 'agent', target: 'user_agent' } },
  { translate: { source: 'status', target: 'outcome', dictionary: { 200: 'good', 422: 'refused', 500: 'broken' } } },
  { fingerprint: { source: ['order_id', 'trace_id'], concatenate_sources: true, method: 'SHA256', target: 'print' } },
  { truncate: { fields: ['summary'], length_bytes: 64 } },
  { syslog_pri: { syslog_pri_field_name: 'pri' } },
  { redact: { fields: ['summary', 'query'] } },
  {
    if: '[duration] > 1000',
    then: [{ metric: { type: 'counter', name: 'slow_total', help: 's', labels: { at: '%{endpoint}' } } }],
  },
  { prune: { blacklist_names: ['^span_', '^row$'] } },
]

async function benchTwentyFilters(): Promise<Comparison> {
  const lines = [...requestLog({ seed: 7, count: LINES, start_ms: Date.UTC(2026, 0, 2) })].map((line, index) => {
    const added = {
      agent: AGENTS[index % AGENTS.length],
      query: `page=${index}&size=50&sort=asc`,
      row: `${index},lot,"desk ${index % 7}"`,
      inner: JSON.stringify({ depth: index % 20, levels: [1, 2, 3] }),
      encoded: '%2Fapi%2Forders%3Fid%3D17',
      pri: '165',
    }
    return Buffer.from(`${line.slice(0, -1)},${JSON.stringify(added).slice(1)}`)
  })
  const decoder = json.createDecoder({ charset: 'UTF-8', target: undefined }, testContext())
  const simple = await way('the simple event', lines, (line) => {
    const { value, exact } = parseJson(line.toString())
    return isFields(value) ? { fields: value, exact } : undefined
  })
  const ours = await way('ours', lines, (line) => decoder.decode(line)[0])
  return await compare(simple, ours, LINES)
}

async function way(name: string, lines: readonly Buffer[], decode: (line: Buffer) => Decoded | undefined): Promise<Way> {
  showProgress('20 filters over the simple event and over ours in turn')
  const context = testContext({ clock: { now: () => Date.now(), timestamp: () => NOW } })
  const plan = readPipelineJson(
    JSON.stringify({ inputs: [{ stdin: {} }], filters: FILTERS, outputs: [{ null: {} }] }),
    'bench',
    {},
  )
  const compiled = await compilePipeline(plan, await loadCatalog(componentsOf(plan)), {
    context: () => context,
    input: () => ({ max_event_bytes: 1e7, max_in_flight_bytes: 64 * 1024 * 1024, deadLetter: () => Promise.resolve() }),
  })
  const writer = new TextWriter()
  const chain = linkChain(compiled.chain, {
    passed: (event) => {
      // As an output does it: bytes.
      event.print(writer)
      if (writer.length > BODY_BYTES) writer.clear()
      event.settle('stored')
    },
    dropped: () => {},
    failed: (_event, _filter, _where, thrown) => {
      throw thrown
    },
    created: () => {},
    flushFailed: () => {},
  })
  const { signal } = new AbortController()
  const run = async (): Promise<number> => {
    writer.clear()
    for (let at = 0; at < lines.length; at += BATCH) {
      const events = lines.slice(at, at + BATCH).flatMap((line) => {
        const decoded = decode(line)
        return decoded === undefined ? [] : [Event.from(decoded.fields, NOW, decoded)]
      })
      await chain.run(events, signal)
    }
    return writer.length
  }
  return { name, run }
}

const TITLE = `${FILTERS.length} filters of all kinds, a line in and a document out: events in a second of CPU`

function twentyFiltersRows({ base, other, ratio }: Comparison): Row[] {
  return [
    { what: base.name, unit: '', figures: base },
    { what: other.name, unit: '', figures: other },
    { what: 'ours to the simple event', unit: '', digits: 2, figures: ratio, claim: { at_least: CLAIM } },
  ]
}

printTable(TITLE, twentyFiltersRows(await benchTwentyFilters()))
