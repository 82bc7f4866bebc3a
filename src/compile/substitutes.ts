import type { AnySpec, Catalog } from '../core/component.ts'
import { didYouMean } from '../core/errors.ts'

/**
 * Plugins of Logstash's distribution and well-known ones beside it that there are not here, and what to use instead. A plugin
 * that there is stands in no need of its row: the catalog is asked first.
 */
const INPUTS: { readonly [name: string]: string } = {
  azure_event_hubs: 'kafka: Event Hubs speaks its protocol on port 9093',
  cloudwatch: 'http_poller is not there either: let an exporter or Metricbeat fetch the metrics and send them to beats',
  collectd: 'udp, with the network plugin of collectd replaced by its write_http plugin and http',
  couchdb_changes: 'http, fed by a script that follows _changes',
  elastic_agent: 'beats: it is the same protocol',
  elastic_serverless_forwarder: 'http',
  elasticsearch: 'file, with an export of the index (elasticdump), or kafka between both',
  exec: 'stdin: COMMAND | bin/millrace -f FILE, or let cron write a file and read it with file',
  ganglia: 'udp',
  gelf: 'udp or tcp with the json codec, with compression switched off at the sender',
  github: 'http',
  google_cloud_storage: 'file, on a mounted or synchronized bucket',
  google_pubsub: 'http, with a push subscription',
  graphite: 'tcp with the line codec, and dissect or grok behind it',
  http_poller: 'http, with the sender pushing; or stdin from a loop around curl',
  imap: 'file, on a folder that a mail program (getmail, offlineimap) fills',
  irc: 'stdin, from an IRC client that logs',
  jdbc: 'kafka with Debezium or a JDBC source connector; or stdin from a query run by cron',
  jms: 'kafka, with a JMS source connector',
  jmx: 'an exporter: bin/millrace is not asked for metrics of the JVM',
  kinesis: 'kafka, or http with a Firehose delivery stream',
  log4j: 'beats, reading the log file; or tcp with JSON from the SocketAppender of log4j2',
  logstash: 'http or beats',
  lumberjack: 'beats: version 2 of the same protocol',
  pipe: 'stdin: COMMAND | bin/millrace -f FILE',
  rabbitmq: 'kafka or http, with a shovel or consumer between',
  redis: 'kafka, or http with a consumer between; Filebeat and others can send to beats at once',
  relp: 'tcp: rsyslog can send by omfwd with TCP',
  rss: 'http, fed by a script',
  s3: 'file, on a mounted or synchronized bucket (aws s3 sync)',
  salesforce: 'http, fed by a script',
  snmp: 'an SNMP exporter: devices are not polled here',
  snmptrap: 'snmptrapd that logs to syslog or a file, and syslog or file here',
  sqlite: 'stdin from sqlite3 -json run by cron',
  sqs: 'http, fed by a consumer of the queue',
  stomp: 'kafka or http, with a consumer between',
  twitter: 'http, fed by a script',
  unix: 'tcp on 127.0.0.1',
  websocket: 'http or tcp',
  xmpp: 'http, fed by a script',
}

const FILTERS: { readonly [name: string]: string } = {
  aggregate: 'metric for counts, sums and durations per label; deduplicate or rate_limit for repeats. Ruby code is not run',
  ruby: 'mutate, translate, dissect, date and conditions: most snippets have a form with these. Ruby code is not run',
  age: 'date and a condition; or the ingest delay on the live page',
  alter: 'mutate with replace inside a condition',
  anonymize: 'fingerprint, or redact',
  bytes: 'grok or dissect to part number and unit, then mutate with convert',
  cipher: 'fingerprint to hide a value, or redact to take it out; nothing is decrypted here',
  elapsed: 'metric with type histogram, over a duration that the service logs itself',
  elastic_integration: 'an ingest pipeline in Elasticsearch: the elasticsearch output has the option pipeline',
  elasticsearch: 'translate with a dictionary file that is written from a query and read again when it changes',
  environment: '${NAME} in the value of add_field',
  extractnumbers: 'grok with %{NUMBER:name:float}',
  http: 'translate with a dictionary file that a script fetches',
  i18n: 'mutate with gsub',
  java_uuid: 'uuid',
  jdbc_static: 'translate with a dictionary file that is written from the table',
  jdbc_streaming: 'translate with a dictionary file that is written from the table and read again when it changes',
  json_encode: 'the field as it is in the document, or %{[field]} in a text, which prints an object as JSON',
  memcached: 'translate with a dictionary file',
  metricize: 'split, or one metric filter for each field',
  range: 'if [field] >= 1 and [field] < 10 { … }',
  sleep: 'nothing: inputs wait by themselves when outputs are slow',
  tld: 'grok or dissect on the host name, with translate for the suffix',
  wurfl_device_detection: 'useragent',
  xml: 'grok or dissect for single values; or let the sender write JSON',
}

const OUTPUTS: { readonly [name: string]: string } = {
  boundary: 'http',
  circonus: 'http',
  cloudwatch: 'metric, and an exporter or agent that takes /metrics',
  csv: 'file with a format in its line codec: codec => line { format => "%{a},%{b}" }',
  datadog: 'http to the intake of Datadog',
  datadog_metrics: 'metric, and the OpenMetrics check of the agent on /metrics',
  elastic_app_search: 'http',
  elastic_workplace_search: 'http',
  exec: 'http or file, and a program that reads what arrives there',
  ganglia: 'metric, and an exporter',
  gelf: 'http to the GELF HTTP input of Graylog, with fields named as GELF names them',
  google_bigquery: 'file or kafka, and a load job',
  google_cloud_storage: 'file, on a synchronized folder (gcloud storage rsync)',
  google_pubsub: 'http to its REST interface, or kafka with a connector',
  graphite: 'metric, and Prometheus with remote write; or tcp with codec => line { format => "…" }',
  graphtastic: 'metric',
  influxdb: 'metric, and Telegraf on /metrics; or http with codec => line in line protocol',
  irc: 'http to a bridge',
  jira: 'http',
  juggernaut: 'http',
  librato: 'metric',
  loggly: 'http to its bulk endpoint',
  logstash: 'http, or kafka between both',
  lumberjack: 'http, or kafka between both',
  mongodb: 'kafka with a MongoDB sink connector',
  nagios: 'file on its command file, or http to its API',
  nagios_nsca: 'http to its API',
  opentsdb: 'metric, and Prometheus with remote write',
  pagerduty: 'http to events.pagerduty.com; or alert rules in Alertmanager on what metric counts',
  pipe: 'stdout: bin/millrace -f FILE | COMMAND',
  rabbitmq: 'kafka, or http to its management API',
  redis: 'kafka, or http to a bridge',
  redmine: 'http',
  riak: 'http',
  riemann: 'tcp or http',
  s3: 'file, on a synchronized folder (aws s3 sync); or kafka with an S3 sink connector',
  sns: 'http to a gateway, or email',
  solr_http: 'http',
  sqs: 'http to a gateway, or kafka with a connector',
  statsd: 'metric: Prometheus reads it from /metrics, without a StatsD between',
  stomp: 'kafka or http',
  syslog: 'tcp with codec => line { format => "<13>1 %{@timestamp} %{host} app - - - %{message}" }',
  timber: 'http',
  udp: 'tcp, which also tells whether anybody takes the events; or http',
  webhdfs: 'kafka with an HDFS sink connector, or http',
  websocket: 'the live page, or http',
  xmpp: 'http to a bridge, or email',
  zabbix: 'metric, and the Prometheus items of Zabbix on /metrics',
}

const CODECS: { readonly [name: string]: string } = {
  avro: 'json: let the producer or a connector convert it',
  cef: 'plain, with kv and dissect as filters: "CEF:%{version}|%{vendor}|%{product}|…"',
  cloudfront: 'line, and grok or dissect as a filter',
  cloudtrail: 'json, and split on Records',
  collectd: 'json, with the write_http plugin of collectd',
  compress_spooler: 'json_lines',
  csv: 'line, and the csv filter',
  edn: 'json',
  edn_lines: 'json_lines',
  es_bulk: 'json_lines, and if [index] to drop the action lines',
  fluent: 'json_lines, with the http output of Fluentd or Fluent Bit',
  graphite: 'line, and dissect or grok as a filter',
  gzip_lines: 'line: the file input reads .gz by itself in mode read',
  msgpack: 'json: let the sender write JSON',
  netflow: 'the netflow input of Filebeat, and beats',
  nmap: 'json, from a converter of its XML',
  protobuf: 'json: let the producer or a connector convert it',
  sflow: 'a collector that writes JSON, and json_lines',
}

/** By kind and name: what to use instead. */
export const SUBSTITUTES: { readonly [kind in AnySpec['kind']]: { readonly [name: string]: string } } = {
  input: INPUTS,
  filter: FILTERS,
  output: OUTPUTS,
  codec: CODECS,
}

/** Words of the language that were meant as such. */
const WORDS: { readonly [name: string]: string } = {
  else: 'else stands right behind the } of its if',
  elsif: 'write else if',
  if: 'a condition is missing: if [field] == "text" { … }',
}

/** What to do about a name that the catalog does not have. */
export function instead(
  kind: AnySpec['kind'],
  name: string,
  catalog: Catalog,
): { readonly message: string; readonly hint: string } {
  const message = `Couldn't find any ${kind} plugin named '${name}'. Are you sure this is correct?`
  const known = SUBSTITUTES[kind]
  if (Object.hasOwn(known, name)) return { message, hint: `Millrace has no ${name} ${kind}. Use instead: ${known[name]}` }
  if (Object.hasOwn(WORDS, name)) return { message, hint: WORDS[name] ?? '' }
  const names = catalog.names(kind)
  const other = (['input', 'filter', 'output', 'codec'] as const).find((one) => one !== kind && catalog.names(one).includes(name))
  if (other !== undefined) return { message, hint: `${name} is ${other === 'input' || other === 'output' ? 'an' : 'a'} ${other}` }
  return { message, ...(didYouMean(name, names) ?? { hint: `${kind}s are: ${names.join(', ')}` }) }
}
