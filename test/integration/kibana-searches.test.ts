import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { exchangeLog } from '../../src/sample/exchange-log.ts'
import type { Incident } from '../../src/sample/incidents.ts'
import { settledBooks } from '../helpers/books.ts'
import { freePort } from '../helpers/free-port.ts'
import { type Aggregations, countsOf, objectOf, requestOf } from '../helpers/kibana-objects.ts'
import { Program } from '../helpers/program.ts'
import { FIRST_START_TIMEOUT_MS, orSkip } from '../helpers/servers.ts'
import { sharedElasticsearch } from '../helpers/shared-servers.ts'
import { countBy } from '../helpers/story-log.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'

const CONFIG = join(import.meta.dirname, '../../config/exchange.json')
/** A day that no other test writes of. */
const START_MS = Date.UTC(2031, 4, 1, 12)
const INDEX = 'exchange-logs-2031.05.01'
/** Lines a second: so each part is some four minutes. */
const RATE = 20
const PART_LINES = 4_900
const MINUTE_MS = 60_000
/** More than are found, and not more than Elasticsearch gives at once. */
const HITS_MAX = 10_000

interface Line {
  readonly text: string
  /** Bytes before it in its file: what makes its document's id. */
  readonly offset: number
  readonly time_ms: number
  readonly fields: { readonly [name: string]: unknown }
}

/** A log of two bad times, one after the other: many errors, and many slow requests. */
function badDay(): Line[] {
  let offset = 0
  return (['error-burst', 'slow-api'] as const satisfies Incident[]).flatMap((incident, part) => {
    const start_ms = START_MS + part * 5 * MINUTE_MS
    const log = exchangeLog({ seed: 41 + part, start_ms, rate: RATE, incident, incident_after_s: 60 })
    return Array.from({ length: PART_LINES }, () => {
      const text = log.next().value.line
      const fields = JSON.parse(text) as { ts: string }
      const line = { text, offset, time_ms: Date.parse(fields.ts), fields }
      offset += Buffer.byteLength(text) + 1
      return line
    })
  })
}

const isSlow = ({ fields }: Line): boolean => Number(fields['duration']) > 1_000

/** What each search has to find, told by the log alone. */
const SEARCHES: { readonly [id: string]: (line: Line) => boolean } = {
  'exchange-errors-of-api': ({ fields }) => fields['level'] === 'error' && fields['service'] === 'exchange-api',
  'exchange-orders-of-user': ({ fields }) => fields['user_id'] === 1001 && fields['action'] === 'place_order',
  'exchange-slow-orders': (line) => isSlow(line) && line.fields['endpoint'] === '/api/orders',
}

/** What each chart has to count, and by what. */
const CHARTS: { readonly [id: string]: { readonly counts: (line: Line) => boolean; readonly by: (line: Line) => string } } = {
  'exchange-errors-per-minute': {
    counts: ({ fields }) => fields['level'] === 'error',
    by: ({ fields, time_ms }) => `${String(fields['service'])} ${Math.floor(time_ms / MINUTE_MS) * MINUTE_MS}`,
  },
  'exchange-slow-queries': { counts: isSlow, by: ({ fields }) => String(fields['endpoint']) },
}

/** The log in Elasticsearch, by way of config/exchange.json. */
async function store(lines: readonly Line[], elasticsearch_url: string): Promise<void> {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'app.log')
  await writeFile(path, lines.map(({ text }) => `${text}\n`).join(''))
  const env = {
    ELASTICSEARCH_URL: elasticsearch_url,
    KAFKA_BROKERS: '',
    EXCHANGE_LOG: path,
    BEATS_PORT: String(await freePort()),
  }
  await using program = await Program.start({ args: ['-f', CONFIG], env })
  const { states } = await settledBooks(program, lines.length, FIRST_START_TIMEOUT_MS)
  expect(states).toEqual({ stored: lines.length })
  await program.stop()
}

describe.each([8, 9] as const)('Elasticsearch %i', (major) => {
  test('the searches and charts show of a whole log what it says', { timeout: FIRST_START_TIMEOUT_MS }, async (context) => {
    const { url } = orSkip(context, await sharedElasticsearch(major))
    const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(`${url}/${INDEX}${path}`, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
      })
      return (await answer.json()) as T
    }
    const lines = badDay()
    try {
      await store(lines, url)
      await call('POST', '/_refresh')
      for (const [id, isMeant] of Object.entries(SEARCHES)) {
        const request = { ...requestOf(objectOf(id)), size: HITS_MAX, _source: false }
        const { hits } = await call<{ hits: { hits: { _id: string }[] } }>('POST', '/_search', request)
        // file-ID-OFFSET-CHECKSUM
        const found = hits.hits.map(({ _id }) => Number(_id.split('-').at(-2))).sort((a, b) => a - b)
        const expected = lines.filter(isMeant).map(({ offset }) => offset)
        expect(expected.length, id).toBeGreaterThan(1)
        expect(found, id).toEqual(expected)
      }
      for (const [id, { counts, by }] of Object.entries(CHARTS)) {
        const { aggregations } = await call<{ aggregations: Aggregations }>('POST', '/_search', requestOf(objectOf(id)))
        const expected = countBy(lines.filter(counts), by)
        expect(Object.keys(expected).length, id).toBeGreaterThan(5)
        expect(countsOf(aggregations), id).toEqual(expected)
      }
    } finally {
      await call('DELETE', '')
    }
  })
})
