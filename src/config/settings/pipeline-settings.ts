import * as option from '../../core/options/options.ts'
import { readOptions } from '../../core/options/read-options.ts'
import type { OptionNode, PipelineSettings } from '../../core/plan.ts'
import { duration } from '../../core/time/duration.ts'
import { DEAD_LETTERS_MIN_BYTES, QUEUE_MIN_BYTES, QUEUE_TYPES, STORAGE_POLICIES, WORKERS_MAX } from '../pipeline-json/settings.ts'
import type { Settings } from './layer.ts'

const ECS = ['disabled', 'v1', 'v8'] as const

/** Logstash's settings of one pipeline that there are here, and `strict_conditions`. */
const SETTINGS = {
  'pipeline.id': option.string('Name of the pipeline.'),
  'pipeline.workers': option.integer('Threads that each run the whole pipeline.', { min: 1, max: WORKERS_MAX }),
  'pipeline.batch.size': option.integer('Events that filters and outputs take at once.', { min: 1, max: 100_000 }),
  'pipeline.batch.delay': option.integer('Milliseconds that an output waits for a fuller batch.', { min: 0, max: 60_000 }),
  'pipeline.ecs_compatibility': option.oneOf('Which field names components use by default.', ECS),
  'pipeline.strict_conditions': option.boolean('Whether an event on which a comparison cannot be made goes to the dead letters.'),
  'dead_letter_queue.max_bytes': option.bytes('Bytes of all dead letters.', { min: DEAD_LETTERS_MIN_BYTES }),
  'dead_letter_queue.storage_policy': option.oneOf('What happens at that limit.', STORAGE_POLICIES),
  'dead_letter_queue.retain.age': duration('How old dead letters become.'),
  'queue.type': option.oneOf('Where events wait for the filters.', QUEUE_TYPES),
  'queue.max_bytes': option.bytes('Bytes of the queue on disk.', { min: QUEUE_MIN_BYTES }),
  'queue.drain': option.boolean('Whether a stop waits until the queue on disk is empty.'),
  'path.queue': option.string('The folder of the queues on disk.'),
  'pipeline.reloadable': option.boolean('Whether a changed config takes its place while it runs.'),
  'config.support_escapes': option.boolean('Whether backslashes in texts mean something.', { default: false }),
}

export interface ReadPipelineSettings {
  readonly settings: PipelineSettings
  readonly support_escapes: boolean
}

/** What settings say of a pipeline, on top of `preset`; faults are reported and leave what was there. */
export function readPipelineSettings(layer: Settings, preset: PipelineSettings, report: option.Report): ReadPipelineSettings {
  const options: OptionNode[] = []
  for (const name of Object.keys(SETTINGS)) {
    const setting = layer.get(name)
    if (setting === undefined) continue
    const { at, value } = setting
    options.push({ name, at, value: { kind: 'string', at, value } })
  }
  const at = options[0]?.at ?? { file: 'settings', line: 1, column: 1 }
  const read = readOptions(SETTINGS, { kind: 'component', at, name: 'setting', options }, report)
  const settings: PipelineSettings = {
    ...preset,
    id: read?.['pipeline.id'] ?? preset.id,
    workers: read?.['pipeline.workers'] ?? preset.workers,
    batch_size: read?.['pipeline.batch.size'] ?? preset.batch_size,
    batch_delay_ms: read?.['pipeline.batch.delay'] ?? preset.batch_delay_ms,
    ecs_compatibility: read?.['pipeline.ecs_compatibility'] ?? preset.ecs_compatibility,
    dead_letter_queue_max_bytes: read?.['dead_letter_queue.max_bytes'] ?? preset.dead_letter_queue_max_bytes,
    dead_letter_queue_storage_policy: read?.['dead_letter_queue.storage_policy'] ?? preset.dead_letter_queue_storage_policy,
    dead_letter_queue_retain_age: read?.['dead_letter_queue.retain.age'] ?? preset.dead_letter_queue_retain_age,
    strict_conditions: read?.['pipeline.strict_conditions'] ?? preset.strict_conditions,
    reloadable: read?.['pipeline.reloadable'] ?? preset.reloadable,
    queue_type: read?.['queue.type'] ?? preset.queue_type,
    queue_max_bytes: read?.['queue.max_bytes'] ?? preset.queue_max_bytes,
    queue_drain: read?.['queue.drain'] ?? preset.queue_drain,
    path_queue: read?.['path.queue'] ?? preset.path_queue,
  }
  return { settings, support_escapes: read?.['config.support_escapes'] ?? false }
}
