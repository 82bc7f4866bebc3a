import { kept, keptAs } from '../../core/options/kept-options.ts'
import * as option from '../../core/options/options.ts'
import { textHash } from '../../core/options/text-hash.ts'
import { duration } from '../../core/time/duration.ts'

/** Most events in one bulk request: enough that the request's own cost vanishes, small enough for a quick answer. */
const BULK_EVENTS_MAX = 2048
/** Logstash cuts at the same size; Elasticsearch itself takes 100 MiB, proxies often less. */
const BULK_BYTES_MAX = 20 * 1024 * 1024
const BULK_BYTES_MIN = 64 * 1024

export const ELASTICSEARCH_OPTIONS = {
  hosts: option.list('Addresses of the nodes, used in turn. Without a port: 9200. May carry user, password and a path.', {
    default: ['//127.0.0.1'],
  }),
  index: option.template(
    'Name of the index, lower case. Default: logstash-%{+yyyy.MM.dd}, with ECS a data stream (see data_stream) or, without one, ecs-logstash-%{+yyyy.MM.dd}.',
  ),
  document_id: option.template(
    'Id of the document. auto (the default): derived from where the event came from, so that a repeated delivery is stored once; an event of an input that cannot tell (http, tcp, udp, syslog, stdin and others) or of a filter gets one of its own, which it keeps through every attempt and on the disk. none: Elasticsearch makes one, and what is sent again after a lost answer is stored twice. A time series data stream takes no other.',
  ),
  action: option.template(
    'create, index, update or delete. Default: create where the id is derived by itself (document_id auto), else index as in Logstash.',
  ),
  routing: option.template('Routing value of the document.'),
  pipeline: option.template('Ingest pipeline that Elasticsearch runs the document through.'),
  version: option.template('Version of the document, a whole number.'),
  version_type: option.oneOf('How Elasticsearch compares versions.', ['internal', 'external', 'external_gt', 'external_gte']),
  join_field: option.fieldRef('The join field: its value becomes the name of the relation, with `parent` beside it.'),
  parent: option.template('Id of the parent document, also the routing. Needs join_field.'),

  doc_as_upsert: option.boolean('Action update: the event is stored as it is where there is no document yet.', {
    default: false,
  }),
  upsert: option.template('Action update: JSON of the document to store where there is none yet. Takes %{field}.'),
  retry_on_conflict: option.integer('Action update: how often Elasticsearch itself tries again after a conflict.', {
    default: 1,
    min: 0,
  }),
  script: option.template('Action update: the script to run, or the id of a stored one.'),
  script_type: option.oneOf('Whether script is a script or the id of a stored one.', ['inline', 'indexed'], {
    default: 'inline',
  }),
  script_lang: option.string('Language of the script; an empty text leaves it to Elasticsearch.', { default: 'painless' }),
  script_var_name: option.string('The parameter of the script that holds the event.', { default: 'event' }),
  scripted_upsert: option.boolean('Action update: the script makes the document too where there is none yet.', {
    default: false,
  }),

  data_stream: option.oneOf(
    'Whether to write to the data stream type-dataset-namespace. auto (the default): with ECS, where no option speaks against it (index, document_id, template and others).',
    ['true', 'false', 'auto'],
  ),
  data_stream_type: option.oneOf('First part of the data stream. Default: logs.', ['logs', 'metrics', 'synthetics', 'traces']),
  data_stream_dataset: option.string('Second part of the data stream. Default: generic.'),
  data_stream_namespace: option.string('Third part of the data stream. Default: default.'),
  data_stream_auto_routing: option.boolean(
    "Whether the event's own data_stream.type, .dataset and .namespace go before the options. Default: true.",
  ),
  data_stream_sync_fields: option.boolean('Whether the document gets the data_stream fields that it lacks. Default: true.'),

  user: option.string('User for basic authentication.'),
  password: option.secret('Password for basic authentication.'),
  api_key: option.secret('API key, as id:key or in its encoded form. Needs TLS in production.'),
  cloud_id: option.string('Cloud id of an Elastic Cloud deployment, in place of hosts.'),
  cloud_auth: option.secret('user:password for Elastic Cloud, in place of user and password.'),
  custom_headers: textHash('Headers for every request.'),
  parameters: textHash('Query parameters for every bulk request.'),
  proxy: option.string('HTTP proxy to go through, `http://user:password@proxy:3128`; an empty text means none.'),
  path: option.string('Path in front of every request, where a proxy puts Elasticsearch below one.'),

  ssl_enabled: option.boolean('Whether to use TLS. Default: as the scheme of the hosts says.'),
  ssl_certificate_authorities: option.list('PEM files of the authorities that the server certificate must come from.'),
  ssl_verification_mode: option.oneOf('Whether the certificate of the server is checked.', ['full', 'none'], { default: 'full' }),
  ssl_certificate: option.path('PEM file of the client certificate.'),
  ssl_key: option.path('PEM file of the key of the client certificate.'),
  ca_trusted_fingerprint: option.string(
    'SHA-256 fingerprint (hex) of the authority to trust, as Elasticsearch prints it at its first start. The host name is not checked then.',
  ),
  ssl_supported_protocols: option.list('TLS versions to offer: TLSv1.2, TLSv1.3.'),

  compression_level: option.integer('gzip level of request bodies; 0 sends them plain.', { default: 0, min: 0, max: 9 }),
  timeout: option.number('Seconds until a request without an answer is given up and tried again.', { default: 60, min: 0.1 }),
  bulk_events_max: option.integer('Most events in one bulk request.', { default: BULK_EVENTS_MAX, min: 1, max: 100_000 }),
  bulk_bytes_max: option.bytes('Largest body of a bulk request before compression.', {
    default: BULK_BYTES_MAX,
    min: BULK_BYTES_MIN,
  }),
  bulk_concurrency: option.integer('Bulk requests on their way at the same time.', { default: 2, min: 1, max: 64 }),

  manage_template: option.boolean(
    'Whether to install the index templates exchange-logs and exchange-alerts at the start. Default: true; not for data streams.',
  ),
  template: option.path('JSON file of a composable index template to install in place of the built-in ones.'),
  template_name: option.string('Name of the template from the option template. Default: logstash, with ECS ecs-logstash.'),
  template_overwrite: option.boolean('Whether a template of that name that is there already is replaced. Default: false.'),

  ilm_enabled: option.oneOf(
    'Whether to write to an alias whose index Elasticsearch replaces when it has grown. auto (the default): where ilm_rollover_alias is named.',
    ['true', 'false', 'auto'],
  ),
  ilm_rollover_alias: option.string('The alias. Default: logstash, with ECS ecs-logstash.'),
  ilm_pattern: option.string('What stands behind the alias in the name of the first index.', { default: '{now/d}-000001' }),
  ilm_policy: option.string('The policy that says when the index is replaced; logstash-policy is made where it is missing.', {
    default: 'logstash-policy',
  }),

  on_mapping_conflict: option.oneOf(
    'What becomes of a document with a field that its index does not take (another type, too many fields, too long a keyword). set_aside: stored, with that field as text in _ignored_fields and a tag _ignored_mapping_conflict, _ignored_field_limit, _ignored_value_too_long or _ignored_field_name; not for action update. dead_letter: kept among the dead letters.',
    ['set_aside', 'dead_letter'],
    { default: 'set_aside' },
  ),
  new_fields_max: option.integer(
    'Most fields that an index gets from here, counted since the start of the program; further ones are set aside in _ignored_fields (tag _ignored_field_budget) before Elasticsearch refuses their documents. 0: only what Elasticsearch refuses. Costs a few microseconds a document.',
    { default: 0, min: 0, max: 100_000 },
  ),
  index_date_window: duration(
    'How far @timestamp may be from now, for instance 7d: events before or after go to the dead letters, so that one of 1970 or 2099 makes no index. Not set: any time.',
  ),

  dlq_custom_codes: option.numbers('Item statuses, beside 400 and 404, that send an event to the dead letters.', { default: [] }),
  drop_error_types: option.list('Error types of Elasticsearch whose events are dropped and counted instead of dead-lettered.', {
    default: [],
  }),

  http_compression: option.boolean('Old form of compression_level: true is level 1.'),
  ssl_certificate_verification: option.boolean('Old form of ssl_verification_mode: false is none.'),
  bulk_path: option.string('Path of bulk requests, with the path in front that `path` puts there.', { default: '/_bulk' }),
  healthcheck_path: option.string('Path asked at the start to see whether Elasticsearch answers.', { default: '/' }),
  retry_initial_interval: option.number('Seconds before the first try again; the waits double from there, with jitter.', {
    default: 0.2,
    min: 0.001,
  }),
  retry_max_interval: option.number('Seconds that a try again waits at most, so that a cluster which is back is noticed soon.', {
    default: 5,
    min: 0.001,
  }),
  template_api: keptAs(['auto', 'composable'], 'legacy templates are not written, Elasticsearch has composable ones since 7.8'),
  sniffing: keptAs(['false'], 'nodes are not looked for: list them in hosts'),
  sniffing_delay: kept('the nodes of hosts are used'),
  sniffing_path: kept('the nodes of hosts are used'),
  document_type: kept('Elasticsearch has no types any more'),
  dlq_on_failed_indexname_interpolation: kept('events without an index name always go to the dead letters'),
  silence_errors_in_log: kept('errors of single documents are counted and dead-lettered, and logged once in ten seconds'),
  pool_max: kept('there are as many connections as bulk_concurrency'),
  pool_max_per_route: kept('there are as many connections as bulk_concurrency'),
  validate_after_inactivity: kept('idle connections are closed after 30 seconds'),
  resurrect_delay: kept('dead nodes are tried again by themselves, less and less often'),
  flush_size: kept('bulk_events_max and bulk_bytes_max say how large a request is'),
  idle_flush_time: kept('a request waits no longer than pipeline.batch.delay says'),
  workers: kept('bulk_concurrency says how many requests are on their way'),
}

export type ElasticsearchOptions = option.OptionValues<typeof ELASTICSEARCH_OPTIONS>

export const RENAMED_OPTIONS = {
  ssl: 'ssl_enabled',
  cacert: 'ssl_certificate_authorities',
  failure_type_logging_whitelist: 'silence_errors_in_log',
}

const NO_JAVA_STORES =
  'Java key stores cannot be read: export PEM files and name them in ssl_certificate, ssl_key and ssl_certificate_authorities'

export const REFUSED_OPTIONS = {
  ssl_keystore_path: NO_JAVA_STORES,
  ssl_keystore_password: NO_JAVA_STORES,
  ssl_keystore_type: NO_JAVA_STORES,
  ssl_truststore_path: NO_JAVA_STORES,
  ssl_truststore_password: NO_JAVA_STORES,
  ssl_truststore_type: NO_JAVA_STORES,
  keystore: NO_JAVA_STORES,
  keystore_password: NO_JAVA_STORES,
  truststore: NO_JAVA_STORES,
  truststore_password: NO_JAVA_STORES,
  ssl_cipher_suites: 'the cipher suites of Node are used, for Java names them differently',
}
