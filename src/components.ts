import { type AnySpec, Catalog, type ComponentName } from './core/component.ts'

type Kind = AnySpec['kind']
type Loaders = { readonly [K in Kind]: { readonly [name: string]: () => Promise<Extract<AnySpec, { kind: K }>> } }

/** Every component of the program, loaded when a config names it. A new one is a file of its own and a line here. */
const COMPONENTS: Loaders = {
  input: {
    beats: async () => (await import('./ingest/beats/beats.ts')).beats,
    dead_letter_queue: async () => (await import('./ingest/dead-letter-queue/dead-letter-queue.ts')).deadLetterQueue,
    file: async () => (await import('./ingest/file/file.ts')).file,
    generator: async () => (await import('./ingest/generator.ts')).generator,
    heartbeat: async () => (await import('./ingest/heartbeat.ts')).heartbeat,
    http: async () => (await import('./ingest/http/http.ts')).http,
    kafka: async () => (await import('./ingest/kafka/kafka.ts')).kafka,
    pipeline: async () => (await import('./ingest/pipeline.ts')).pipelineInput,
    sample: async () => (await import('./ingest/sample.ts')).sample,
    stdin: async () => (await import('./ingest/stdin.ts')).stdin,
    syslog: async () => (await import('./ingest/syslog/syslog.ts')).syslog,
    tcp: async () => (await import('./ingest/tcp/tcp.ts')).tcp,
    udp: async () => (await import('./ingest/udp.ts')).udp,
  },
  filter: {
    cidr: async () => (await import('./transform/cidr.ts')).cidr,
    clone: async () => (await import('./transform/clone.ts')).clone,
    csv: async () => (await import('./transform/csv/csv.ts')).csv,
    date: async () => (await import('./transform/date.ts')).date,
    de_dot: async () => (await import('./transform/de-dot.ts')).deDot,
    deduplicate: async () => (await import('./transform/deduplicate/deduplicate.ts')).deduplicate,
    dissect: async () => (await import('./transform/dissect/dissect.ts')).dissect,
    dns: async () => (await import('./transform/dns/dns.ts')).dns,
    drop: async () => (await import('./transform/drop.ts')).drop,
    fingerprint: async () => (await import('./transform/fingerprint/fingerprint.ts')).fingerprint,
    geoip: async () => (await import('./transform/geoip.ts')).geoip,
    grok: async () => (await import('./transform/grok/grok.ts')).grok,
    json: async () => (await import('./transform/json.ts')).json,
    kv: async () => (await import('./transform/kv/kv.ts')).kv,
    metric: async () => (await import('./transform/metric.ts')).metric,
    metrics: async () => (await import('./transform/metrics/metrics.ts')).metrics,
    mutate: async () => (await import('./transform/mutate/mutate.ts')).mutate,
    prune: async () => (await import('./transform/prune.ts')).prune,
    rate_limit: async () => (await import('./transform/rate-limit.ts')).rateLimit,
    redact: async () => (await import('./transform/redact/redact.ts')).redact,
    span: async () => (await import('./transform/span.ts')).span,
    split: async () => (await import('./transform/split.ts')).split,
    syslog_pri: async () => (await import('./transform/syslog-pri.ts')).syslogPri,
    throttle: async () => (await import('./transform/throttle.ts')).throttle,
    translate: async () => (await import('./transform/translate/translate.ts')).translate,
    truncate: async () => (await import('./transform/truncate.ts')).truncate,
    urldecode: async () => (await import('./transform/urldecode.ts')).urldecode,
    useragent: async () => (await import('./transform/useragent/useragent.ts')).useragent,
    uuid: async () => (await import('./transform/uuid.ts')).uuid,
  },
  output: {
    elasticsearch: async () => (await import('./sinks/elasticsearch/elasticsearch.ts')).elasticsearch,
    email: async () => (await import('./sinks/email/email.ts')).email,
    file: async () => (await import('./sinks/file.ts')).file,
    http: async () => (await import('./sinks/http/http.ts')).http,
    kafka: async () => (await import('./sinks/kafka/kafka.ts')).kafka,
    null: async () => (await import('./sinks/null.ts')).nullOutput,
    pipeline: async () => (await import('./sinks/pipeline.ts')).pipelineOutput,
    stdout: async () => (await import('./sinks/stdout.ts')).stdout,
    tcp: async () => (await import('./sinks/tcp/tcp.ts')).tcp,
  },
  codec: {
    dots: async () => (await import('./codecs/dots.ts')).dots,
    json: async () => (await import('./codecs/json.ts')).json,
    json_lines: async () => (await import('./codecs/json-lines.ts')).jsonLines,
    line: async () => (await import('./codecs/line.ts')).line,
    multiline: async () => (await import('./codecs/multiline.ts')).multiline,
    plain: async () => (await import('./codecs/plain.ts')).plain,
    rubydebug: async () => (await import('./codecs/rubydebug.ts')).rubydebug,
  },
}

/**
 * The components that are asked for, and the names of all others. Codecs are always there, for they have defaults that no
 * config names.
 * @param wanted all components where left out
 */
export async function loadCatalog(wanted?: readonly ComponentName[]): Promise<Catalog> {
  const named = (kind: Kind, name: string): boolean =>
    wanted === undefined || kind === 'codec' || wanted.some((one) => one.kind === kind && one.name === name)
  const known = Object.entries(COMPONENTS).flatMap(([kind, loaders]) =>
    Object.entries(loaders).map(([name, load]) => ({ kind: kind as Kind, name, load })),
  )
  const loaded = await Promise.all(known.filter(({ kind, name }) => named(kind, name)).map(({ load }) => load()))
  return new Catalog(loaded, known)
}
