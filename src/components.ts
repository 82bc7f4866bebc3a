import { dots } from './codecs/dots.ts'
import { json } from './codecs/json.ts'
import { jsonLines } from './codecs/json-lines.ts'
import { line } from './codecs/line.ts'
import { multiline } from './codecs/multiline.ts'
import { plain } from './codecs/plain.ts'
import { rubydebug } from './codecs/rubydebug.ts'
import { Catalog } from './core/component.ts'
import { beats } from './ingest/beats/beats.ts'
import { deadLetterQueue } from './ingest/dead-letter-queue/dead-letter-queue.ts'
import { file as fileInput } from './ingest/file/file.ts'
import { generator } from './ingest/generator.ts'
import { heartbeat } from './ingest/heartbeat.ts'
import { http as httpInput } from './ingest/http/http.ts'
import { kafka } from './ingest/kafka/kafka.ts'
import { pipelineInput } from './ingest/pipeline.ts'
import { sample } from './ingest/sample/sample.ts'
import { stdin } from './ingest/stdin.ts'
import { syslog } from './ingest/syslog/syslog.ts'
import { tcp as tcpInput } from './ingest/tcp/tcp.ts'
import { udp } from './ingest/udp.ts'
import { elasticsearch } from './sinks/elasticsearch/elasticsearch.ts'
import { email } from './sinks/email/email.ts'
import { file as fileOutput } from './sinks/file.ts'
import { http as httpOutput } from './sinks/http/http.ts'
import { kafka as kafkaOutput } from './sinks/kafka/kafka.ts'
import { nullOutput } from './sinks/null.ts'
import { pipelineOutput } from './sinks/pipeline.ts'
import { stdout } from './sinks/stdout.ts'
import { tcp as tcpOutput } from './sinks/tcp/tcp.ts'
import { cidr } from './transform/cidr.ts'
import { clone } from './transform/clone.ts'
import { csv } from './transform/csv/csv.ts'
import { date } from './transform/date.ts'
import { deDot } from './transform/de-dot.ts'
import { deduplicate } from './transform/deduplicate/deduplicate.ts'
import { dissect } from './transform/dissect/dissect.ts'
import { dns } from './transform/dns/dns.ts'
import { drop } from './transform/drop.ts'
import { fingerprint } from './transform/fingerprint/fingerprint.ts'
import { geoip } from './transform/geoip.ts'
import { grok } from './transform/grok/grok.ts'
import { json as jsonFilter } from './transform/json.ts'
import { kv } from './transform/kv/kv.ts'
import { metric } from './transform/metric.ts'
import { metrics } from './transform/metrics/metrics.ts'
import { mutate } from './transform/mutate/mutate.ts'
import { prune } from './transform/prune.ts'
import { rateLimit } from './transform/rate-limit.ts'
import { redact } from './transform/redact/redact.ts'
import { split } from './transform/split.ts'
import { syslogPri } from './transform/syslog-pri.ts'
import { throttle } from './transform/throttle.ts'
import { translate } from './transform/translate/translate.ts'
import { truncate } from './transform/truncate.ts'
import { urldecode } from './transform/urldecode.ts'
import { useragent } from './transform/useragent/useragent.ts'
import { uuid } from './transform/uuid.ts'

/** Every component of the program. A new one is a file of its own and a line here. */
export const catalog = new Catalog([
  beats,
  deadLetterQueue,
  fileInput,
  generator,
  heartbeat,
  httpInput,
  kafka,
  pipelineInput,
  sample,
  stdin,
  syslog,
  tcpInput,
  udp,

  cidr,
  clone,
  csv,
  date,
  deDot,
  dissect,
  deduplicate,
  dns,
  drop,
  fingerprint,
  geoip,
  grok,
  jsonFilter,
  kv,
  metric,
  metrics,
  mutate,
  rateLimit,
  redact,
  throttle,
  translate,
  useragent,
  prune,
  split,
  syslogPri,
  truncate,
  urldecode,
  uuid,

  elasticsearch,
  email,
  fileOutput,
  httpOutput,
  kafkaOutput,
  nullOutput,
  pipelineOutput,
  stdout,
  tcpOutput,

  dots,
  json,
  jsonLines,
  line,
  multiline,
  plain,
  rubydebug,
])
