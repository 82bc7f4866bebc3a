import type { Counter, Metrics } from '../core/context.ts'
import type { PipelineSettings } from '../core/plan.ts'
import type { Receipt } from './receipt.ts'

interface Measured {
  readonly bytes: () => number
  /** Receipts of batches whose senders have no answer yet, the oldest first. */
  readonly unsettled: ReadonlySet<Receipt>
}

type Settings = Pick<PipelineSettings, 'id' | 'batch_size' | 'batch_delay_ms'>

interface PipelineCounts {
  /** How long the filters took. */
  readonly filter_seconds: Counter
  /** Events that came out of them. */
  readonly filtered: Counter
}

/** Shows how a pipeline is set, how much it holds and for how long. Returns what it has to count itself. */
export function measurePipeline(metrics: Metrics, settings: Settings, { bytes, unsettled }: Measured): PipelineCounts {
  const pipeline = settings.id
  const size_help = 'Events that filters and outputs take at once, at most: batch_size.'
  metrics.gauge('millrace_pipeline_batch_events', size_help, { pipeline }, () => settings.batch_size)
  const delay_help = 'How long outputs wait for a fuller batch: batch_delay_ms.'
  metrics.gauge('millrace_pipeline_batch_delay_seconds', delay_help, { pipeline }, () => settings.batch_delay_ms / 1_000)
  metrics.gauge(
    'millrace_in_flight_bytes',
    'Memory that the events stand for which the pipeline holds, estimated from their sizes on the wire.',
    { pipeline },
    bytes,
  )
  metrics.gauge(
    'millrace_oldest_unacknowledged_age_seconds',
    'How long the oldest batch waits whose sender has no answer yet; 0 where none does.',
    { pipeline },
    () => {
      const [oldest] = unsettled
      return oldest === undefined ? 0 : (performance.now() - oldest.since_ms) / 1_000
    },
  )
  return {
    filter_seconds: metrics.counter('millrace_filter_seconds_total', 'How long the filters took.', { pipeline }),
    filtered: metrics.counter('millrace_events_filtered_total', 'Events that came out of the filters.', { pipeline }),
  }
}
