import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { requestLog } from '../../src/sample/request-log.ts'

/** What a test has to know of one line of the exchange log. */
export interface StoryLine {
  readonly line: string
  /** Twenty digits, as text: no JavaScript number holds them. */
  readonly order_id: string
  /** 2026-03-01 */
  readonly day: string
  readonly level: string
  readonly service: string
  readonly user_id: number
  readonly action: string
  readonly endpoint: string
  readonly duration: number
  /** To the minute: 2026-03-01T20:15 */
  readonly minute: string
  readonly has_public_address: boolean
}

const NETWORKS = join(import.meta.dirname, '../../config/geoip/sample.json')
const START_MS = Date.UTC(2026, 2, 1, 20)
/** 20,000 lines at this distance are 50 hours: three days, two of them midnights. */
const INTERVAL_MS = 9_000

/** The exchange log over three days; its public addresses are in the program's own small database. */
export function storyLog(count: number): StoryLine[] {
  const { networks } = JSON.parse(readFileSync(NETWORKS, 'utf8')) as { networks: { sample_address: string }[] }
  const addresses = networks.map(({ sample_address }) => sample_address)
  const lines = requestLog({ seed: 8, count, start_ms: START_MS, interval_ms: INTERVAL_MS, addresses })
  return [...lines].map((line) => {
    const read = JSON.parse(line) as {
      [name in 'ts' | 'level' | 'service' | 'action' | 'endpoint' | 'ip']: string
    } & { [name in 'user_id' | 'duration']: number }
    return {
      line,
      order_id: /"order_id":(\d{20}),/.exec(line)?.[1] ?? '',
      day: read.ts.slice(0, 'yyyy-mm-dd'.length),
      level: read.level,
      service: read.service,
      user_id: read.user_id,
      action: read.action,
      endpoint: read.endpoint,
      duration: read.duration,
      minute: read.ts.slice(0, 'yyyy-mm-ddThh:mm'.length),
      has_public_address: addresses.includes(read.ip),
    }
  })
}

/** How often each key comes, in the order of the keys. */
export function countBy<T>(items: readonly T[], keyOf: (item: T) => string): { [key: string]: number } {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1)
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
}
