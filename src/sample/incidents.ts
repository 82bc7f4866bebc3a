/** What can go wrong at the exchange. */
export const INCIDENTS = ['error-burst', 'slow-api', 'matching-slow', 'volume-spike', 'db-pool', 'kafka-lag'] as const
export type Incident = (typeof INCIDENTS)[number]

/** How the exchange does. */
export interface Conduct {
  /** Share of the requests that fail. */
  readonly failure_share: number
  /** Share of those whose fault is the exchange's own: status 5xx. */
  readonly server_fault_share: number
  /** Share of the requests that take longer than a second; `undefined`: every 400th of an endpoint. */
  readonly slow_share: number | undefined
  /** The longest that matching takes, and the shortest. */
  readonly matching_us: readonly [shortest: number, longest: number]
  /** Requests that wait for a connection to the database. */
  readonly pool_waiting: readonly [fewest: number, most: number]
  /** What traders buy and sell at once, as a multiple of the usual. */
  readonly quantity_factor: number
  /** Lines for debugging that a service writes for each other line. */
  readonly debug_lines: number
}

/**
 * Nothing is wrong: below the thresholds of every alert with some room, also over a few seconds. The 99th percentile of an
 * endpoint's durations would exceed a second by chance if more than every hundredth did.
 */
const USUAL: Conduct = {
  failure_share: 0.02,
  server_fault_share: 0.5,
  slow_share: undefined,
  matching_us: [80, 6_000],
  pool_waiting: [0, 0],
  quantity_factor: 1,
  debug_lines: 0,
}

const CHANGES: { readonly [incident in Incident]: Partial<Conduct> } = {
  'error-burst': { failure_share: 0.3, server_fault_share: 0.9 },
  'slow-api': { slow_share: 0.2 },
  'matching-slow': { matching_us: [8_000, 80_000] },
  'volume-spike': { quantity_factor: 25 },
  'db-pool': { pool_waiting: [20, 60] },
  'kafka-lag': { debug_lines: 99 },
}

export function conductDuring(incident: Incident | undefined): Conduct {
  return incident === undefined ? USUAL : { ...USUAL, ...CHANGES[incident] }
}
