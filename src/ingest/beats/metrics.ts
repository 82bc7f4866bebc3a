import type { Counter, Metrics } from '../../core/context.ts'
import { CLOSE_REASONS, type CloseReason } from './closing.ts'

/** The instruments of one Beats input. */
export interface BeatsMetrics {
  readonly windows: Counter
  readonly events: Counter
  readonly received_bytes: Counter
  readonly closed: ReadonlyMap<CloseReason, Counter>
}

export function createBeatsMetrics(metrics: Metrics, input: string, countConnections: () => number): BeatsMetrics {
  metrics.gauge('millrace_beats_connections', 'Connections that are open.', { input }, countConnections)
  const closed = CLOSE_REASONS.map((reason): [CloseReason, Counter] => [
    reason,
    metrics.counter('millrace_beats_connections_closed_total', 'Connections that ended, by reason.', { input, reason }),
  ])
  return {
    windows: metrics.counter('millrace_beats_windows_total', 'Windows that came whole.', { input }),
    events: metrics.counter('millrace_beats_events_total', 'Events in windows that came whole.', { input }),
    received_bytes: metrics.counter('millrace_beats_received_bytes_total', 'Bytes that came, compressed as they were.', {
      input,
    }),
    closed: new Map(closed),
  }
}
