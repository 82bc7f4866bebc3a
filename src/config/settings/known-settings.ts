/** One of Logstash's settings: as a flag `--NAME`, in `logstash.yml`, and where it is one of a pipeline in `pipelines.yml`. */
export interface KnownSetting {
  readonly scope: 'pipeline' | 'program'
  /** One that is on or off, and is given as a flag without a value. */
  readonly is_switch?: true
  readonly short?: string
  /** Its name today. */
  readonly renamed?: string
  /** Why it changes nothing here. */
  readonly without_effect?: string
  /** Values with which it asks for nothing that there is not. */
  readonly harmless?: readonly string[]
}

const EVERY_EVENT_SYNCED = 'every event is on the disk before its sender is told, and what is done is noted every second'
const DEAD_LETTERS = 'dead letters are always kept, below path.data'
const OWN_LOG = 'the log goes to stderr'
const OWN_API = 'the pages listen on api.http.host without TLS: put a proxy before them'
const NO_ELASTIC = 'there is no connection to Elastic Cloud, X-Pack or modules'
const NO_JVM = 'it is about the JVM'

const pipeline = { scope: 'pipeline' } as const
const program = { scope: 'program' } as const
const idle = (without_effect: string, ...harmless: string[]) => ({ ...program, without_effect, harmless })
const idlePipeline = (without_effect: string, ...harmless: string[]) => ({ ...pipeline, without_effect, harmless })

export const KNOWN_SETTINGS: { readonly [name: string]: KnownSetting } = {
  'path.config': { ...pipeline, short: 'f' },
  'config.string': { ...pipeline, short: 'e' },
  'config.support_escapes': { ...pipeline, is_switch: true },
  'config.test_and_exit': { ...program, is_switch: true, short: 't' },
  'config.debug': { ...pipeline, is_switch: true },
  'config.reload.automatic': { ...program, is_switch: true, short: 'r' },
  'config.reload.interval': program,
  'config.field_reference.escape_style': idle('names with brackets have no escape', 'none'),
  'config.field_reference.parser': program,

  'pipeline.id': pipeline,
  'pipeline.workers': { ...pipeline, short: 'w' },
  'pipeline.batch.size': { ...pipeline, short: 'b' },
  'pipeline.batch.delay': { ...pipeline, short: 'u' },
  'pipeline.batch.output_chunking.growth_threshold_factor': pipeline,
  'pipeline.batch.metrics.sampling_mode': pipeline,
  'pipeline.ecs_compatibility': pipeline,
  'pipeline.ordered': pipeline,
  // Ours, beside Logstash's.
  'pipeline.strict_conditions': { ...pipeline, is_switch: true },
  'pipeline.output.workers': idlePipeline('an output has as many writers as pipeline.workers says', '1'),
  'pipeline.unsafe_shutdown': { ...program, is_switch: true },
  'pipeline.plugin_classloaders': idlePipeline(NO_JVM, 'false'),
  'pipeline.buffer.type': idle(NO_JVM),
  'pipeline.separate_logs': { ...idle(OWN_LOG, 'false'), is_switch: true },
  'pipeline.reloadable': pipeline,
  'pipeline.recoverable': pipeline,
  'pipeline.system': pipeline,

  'queue.type': pipeline,
  'queue.max_bytes': pipeline,
  'queue.max_events': idlePipeline('queue.max_bytes is the limit', '0'),
  'queue.page_capacity': idlePipeline('the files of a queue have an eighth of queue.max_bytes, and 16 MiB at most', '64mb'),
  'queue.checkpoint.acks': idlePipeline(EVERY_EVENT_SYNCED, '1024'),
  'queue.checkpoint.interval': idlePipeline(EVERY_EVENT_SYNCED, '1000'),
  'queue.checkpoint.retry': idlePipeline('a write that fails is always tried again', 'true'),
  'queue.checkpoint.writes': idlePipeline(EVERY_EVENT_SYNCED, '1024'),
  'queue.compression': idlePipeline('events are on the disk as they are', 'none'),
  'queue.drain': pipeline,
  'path.queue': pipeline,
  'dead_letter_queue.enable': idlePipeline(DEAD_LETTERS, 'true'),
  'dead_letter_queue.max_bytes': pipeline,
  'dead_letter_queue.storage_policy': pipeline,
  'dead_letter_queue.retain.age': pipeline,
  'dead_letter_queue.flush_interval': pipeline,
  'dead_letter_queue.flush_check_interval': pipeline,
  'path.dead_letter_queue': idlePipeline(DEAD_LETTERS),
  'metric.collect': pipeline,
  'metric.timers': pipeline,

  'path.data': program,
  'path.logs': { ...idle(OWN_LOG), short: 'l' },
  'path.plugins': idle('plugins of Ruby cannot be loaded'),
  'node.name': { ...program, short: 'n' },
  'log.level': program,
  'log.format': program,
  'log.format.json.fix_duplicate_message_fields': program,
  'slowlog.threshold.warn': idle('there is no slow log', '-1'),
  'slowlog.threshold.info': idle('there is no slow log', '-1'),
  'slowlog.threshold.debug': idle('there is no slow log', '-1'),
  'slowlog.threshold.trace': idle('there is no slow log', '-1'),
  'event_api.tags.illegal': idle('a value that tags cannot hold goes to _tags', 'rename'),
  allow_superuser: program,
  on_superuser: program,
  interactive: idle('there is no shell'),
  'keystore.file': idle('secrets come from the environment'),
  'keystore.classname': idle('secrets come from the environment'),

  'api.enabled': program,
  'api.environment': program,
  'api.http.host': program,
  'api.http.port': program,
  'api.ssl.enabled': idle(OWN_API, 'false'),
  'api.ssl.keystore.path': idle(OWN_API),
  'api.ssl.keystore.password': idle(OWN_API),
  'api.ssl.supported_protocols': idle(OWN_API),
  'api.auth.type': program,
  'api.auth.basic.username': program,
  'api.auth.basic.password': program,
  // Ours, beside Logstash's.
  'api.auth.token': program,
  'tracing.endpoint': program,
  'tracing.sampling': program,
  'http.enabled': { ...program, renamed: 'api.enabled' },
  'http.environment': { ...program, renamed: 'api.environment' },
  'http.host': { ...program, renamed: 'api.http.host' },
  'http.port': { ...program, renamed: 'api.http.port' },

  modules: idle(NO_ELASTIC),
  'cloud.id': idle(NO_ELASTIC),
  'cloud.auth': idle(NO_ELASTIC),
  'ssl.verification_mode': idle(NO_ELASTIC),
}

/** Settings that are told apart by their beginning only. */
const KNOWN_PREFIXES: { readonly [prefix: string]: KnownSetting } = {
  'xpack.': idle(NO_ELASTIC, 'false'),
  'monitoring.': idle(NO_ELASTIC, 'false'),
  'modules.': idle(NO_ELASTIC),
  'var.': idle(NO_ELASTIC),
  'cloud.': idle(NO_ELASTIC),
  'api.auth.basic.password_policy.': idle('a password is taken as it is'),
  'deprecation.': program,
}

export function findSetting(name: string): KnownSetting | undefined {
  if (Object.hasOwn(KNOWN_SETTINGS, name)) return KNOWN_SETTINGS[name]
  const prefix = Object.keys(KNOWN_PREFIXES).find((known) => name.startsWith(known))
  return prefix === undefined ? undefined : KNOWN_PREFIXES[prefix]
}
