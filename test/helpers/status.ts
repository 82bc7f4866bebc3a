import type { ReloadReport, Status, StatusSource } from '../../src/ops/status.ts'

/** A pipeline's status that a test changes at will. */
export interface TestStatus extends StatusSource {
  current: Status
  reasons: string[]
  /** What a request to read the config again is answered. */
  report: ReloadReport
}

export function testStatus(): TestStatus {
  const source: TestStatus = {
    current: {
      pipeline: 'main',
      version: '0.0.0',
      uptime_ms: 0,
      listening: [{ component: 'beats', address: '127.0.0.1:5044' }],
      totals: {
        received: 0,
        created: 0,
        states: { dead_lettered: 0, dropped: 0, unrouted: 0, stored: 0, already_there: 0, consumed: 0 },
        holders: { batch: 0 },
        unbalanced: 0,
        bytes_in_flight: 0,
        bytes_in_flight_max: 1024,
      },
      errors_total: 0,
      inputs: [{ id: 'in', name: 'beats', where: '127.0.0.1:5044', state: 'listening', is_well: true, counts: { received: 0 } }],
      outputs: [],
      recent: [],
      places: [{ what: 'events', where: 'data/' }],
    },
    reasons: [],
    report: { result: 'unchanged', changed: [], added: [], removed: [], problems: [] },
    status: () => source.current,
    books: () => ({ events: [], deliveries: [], unbalanced: 0 }),
    reasonsNotReady: () => source.reasons,
  }
  return source
}

/** The same status with other totals. */
export function withTotals(status: Status, received: number, stored: number): Status {
  const { totals } = status
  return {
    ...status,
    totals: { ...totals, received, states: { ...totals.states, stored } },
    inputs: status.inputs.map((input) => ({ ...input, counts: { received } })),
  }
}
