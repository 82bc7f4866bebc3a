import * as option from '../../core/options/options.ts'
import { readOptions } from '../../core/options/read-options.ts'
import { type ConfigValue, DEFAULT_SETTINGS, type PipelineSettings } from '../../core/plan.ts'
import { duration } from '../../core/time/duration.ts'

/** Less has no room for one letter of a large event. */
export const DEAD_LETTERS_MIN_BYTES = 64 * 1024
/** Less has no room for the segments that it is made of. */
export const QUEUE_MIN_BYTES = 1024 * 1024
export const QUEUE_TYPES = ['memory', 'persisted'] as const
/** More threads than this are a mistake on any machine. */
export const WORKERS_MAX = 256
export const STORAGE_POLICIES = ['block', 'drop_newer', 'drop_older'] as const

/** What `"pipeline": { … }` may say. */
export const SETTINGS = {
  id: option.string('Name of the pipeline in metrics and messages.', { default: DEFAULT_SETTINGS.id }),
  workers: option.integer(
    'Threads that each run the whole pipeline, for its inputs that can be spread over several (docs/workers.md).',
    {
      default: DEFAULT_SETTINGS.workers,
      min: 1,
      max: WORKERS_MAX,
    },
  ),
  batch_size: option.integer('Events that filters and outputs take at once, at most.', {
    default: DEFAULT_SETTINGS.batch_size,
    min: 1,
    max: 100_000,
  }),
  batch_delay_ms: option.integer('How long an output waits for a fuller batch while another one is on its way.', {
    default: DEFAULT_SETTINGS.batch_delay_ms,
    min: 0,
    max: 60_000,
  }),
  ecs_compatibility: option.oneOf('Which field names components use by default.', ['disabled', 'v1', 'v8'], {
    default: DEFAULT_SETTINGS.ecs_compatibility,
  }),
  max_in_flight_bytes: option.bytes('Bytes of events that the process holds at once; inputs wait for room beyond it.', {
    default: DEFAULT_SETTINGS.max_in_flight_bytes,
    min: 1024 * 1024,
  }),
  max_event_bytes: option.bytes('A larger event goes to the dead letters with its first 64 kB.', {
    default: DEFAULT_SETTINGS.max_event_bytes,
    min: 1024,
  }),
  strict_conditions: option.boolean(
    'An event on which a comparison cannot be made (`<` on a missing field, text against a number) goes to the dead letters. Without it the comparison is false and counted.',
    { default: DEFAULT_SETTINGS.strict_conditions },
  ),
  dead_letter_queue_max_bytes: option.bytes('Bytes of all dead letters of the program; of several pipelines the largest holds.', {
    default: DEFAULT_SETTINGS.dead_letter_queue_max_bytes,
    min: DEAD_LETTERS_MIN_BYTES,
  }),
  dead_letter_queue_storage_policy: option.oneOf(
    'What happens there: `block` holds senders back, `drop_newer` and `drop_older` lose letters and count them.',
    STORAGE_POLICIES,
    { default: DEFAULT_SETTINGS.dead_letter_queue_storage_policy },
  ),
  dead_letter_queue_retain_age: duration(
    'How old dead letters become; of several pipelines the longest holds. Default: for ever.',
  ),
  reloadable: option.boolean('Whether a changed config takes its place while it runs.', { default: DEFAULT_SETTINGS.reloadable }),
  queue_type: option.oneOf(
    'Where events wait for the filters: with `persisted` on the disk, and their senders are told once they are there.',
    QUEUE_TYPES,
    { default: DEFAULT_SETTINGS.queue_type },
  ),
  queue_max_bytes: option.bytes('Bytes of the files of that queue; inputs wait for room beyond it.', {
    default: DEFAULT_SETTINGS.queue_max_bytes,
    min: QUEUE_MIN_BYTES,
  }),
  queue_drain: option.boolean('Whether a stop waits until that queue is empty; else what is in it follows at the next start.', {
    default: DEFAULT_SETTINGS.queue_drain,
  }),
  path_queue: option.string('The folder of the queues of all pipelines. Default: `queue` in the data folder.'),
}

/** Reads the settings of a pipeline; faults are reported and leave the default. */
export function readSettings(value: ConfigValue, report: option.Report): PipelineSettings {
  if (value.kind !== 'hash') {
    report({ code: 'CONFIG_STRUCTURE', at: value.at, message: 'expected the settings of the pipeline as an object' })
    return DEFAULT_SETTINGS
  }
  const node = { kind: 'component', at: value.at, name: 'pipeline', options: value.entries } as const
  return readOptions(SETTINGS, node, report) ?? DEFAULT_SETTINGS
}
