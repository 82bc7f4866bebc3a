// What a program that embeds Millrace, or a plugin, may use. Everything else may change without notice.
export { compilePipeline } from './compile/pipeline.ts'
export { loadCatalog } from './components.ts'
export { loadConfig } from './config/load.ts'
export {
  type AnySpec,
  Catalog,
  defineCodec,
  defineFilter,
  defineInput,
  defineOutput,
  type Example,
} from './core/component.ts'
export type { Addresses, Clock, Context, Health, Log, Metrics, Paths } from './core/context.ts'
export type { Decoder, Deliver, Encoder, Outcome, Settled, Sink, Source, Step, WriteResult } from './core/contracts.ts'
export { ConfigError, MillraceError } from './core/errors.ts'
export { Event, type EventState, type Origin, type Settlement } from './core/event.ts'
export { parseFieldRef } from './core/field-ref.ts'
export * as option from './core/options/options.ts'
export { SourceNumber, Timestamp, type Value } from './core/values.ts'
export { Pipeline } from './runtime/pipeline.ts'
