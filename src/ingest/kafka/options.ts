import { kept, keptAs } from '../../core/options/kept-options.ts'
import * as option from '../../core/options/options.ts'
import { CONNECTION_OPTIONS, REFUSED_CONNECTION_OPTIONS } from '../../kafka/options.ts'

const STRINGS = 'org.apache.kafka.common.serialization.StringDeserializer'
const BYTES = 'org.apache.kafka.common.serialization.ByteArrayDeserializer'
const NO_CLASSES = 'Java classes cannot be loaded here: keys are text, and the codec reads the values'

/** Logstash's names and defaults; what is ours says so. */
export const KAFKA_OPTIONS = {
  ...CONNECTION_OPTIONS,
  topics: option.list('Topics to read. One that does not exist is waited for, never created.', { default: ['logstash'] }),
  topics_pattern: option.string(
    'A regular expression for whole topic names; wins over `topics`. New topics that fit are found every `metadata_max_age_ms`.',
  ),
  exclude_internal_topics: option.boolean('Leave topics that start with two underscores out of `topics_pattern`.', {
    default: true,
  }),
  group_id: option.string('The consumer group. Members with the same group share the partitions.', { default: 'logstash' }),
  client_rack: option.string('Where this client stands, so that it may read from a replica nearby.', { default: '' }),
  auto_offset_reset: option.oneOf(
    'Where a group without a committed offset starts. The start is committed at once, so that a restart skips nothing. Neither none nor by_duration is spoken.',
    ['latest', 'earliest'],
    { default: 'latest' },
  ),
  isolation_level: option.oneOf(
    'Whether records of open or aborted transactions are read.',
    ['read_uncommitted', 'read_committed'],
    {
      default: 'read_uncommitted',
    },
  ),
  decorate_events: option.oneOf(
    'Puts topic, consumer_group, partition, offset, timestamp and key into `[@metadata][kafka]` (basic or true), with headers (extended).',
    ['none', 'basic', 'extended', 'true', 'false'],
    { default: 'none' },
  ),
  timestamp: option.oneOf(
    "Ours. The time of an event that has none of its own: the record's, so that a replay lands in the same index, or that of receipt, as in Logstash.",
    ['record', 'receive'],
    { default: 'record' },
  ),
  session_timeout_ms: option.integer('The group takes a member for dead that was not heard of for so long.', {
    default: 10_000,
    min: 1_000,
  }),
  heartbeat_interval_ms: option.integer(
    'How often the group hears of this member, also while an output is slow. At most half of the session timeout.',
    {
      default: 3_000,
      min: 100,
    },
  ),
  max_poll_interval_ms: option.integer(
    'How long the group waits for its members when partitions are divided anew. A slow output evicts nobody.',
    {
      default: 300_000,
      min: 1_000,
    },
  ),
  max_poll_records: option.integer('Events handed on at once. Logstash has 500.', { default: 2_048, min: 1, max: 100_000 }),
  max_partition_fetch_bytes: option.bytes('The most that one fetch brings of one partition.', { default: 1_048_576, min: 1 }),
  fetch_max_bytes: option.bytes(
    'The most that one fetch brings from one broker; never more than a sixteenth of `max_in_flight_bytes`.',
    {
      default: 52_428_800,
      min: 1,
    },
  ),
  fetch_min_bytes: option.bytes('A broker answers a fetch when it has so much, or after `fetch_max_wait_ms`.', {
    default: 1,
    min: 1,
  }),
  fetch_max_wait_ms: option.integer('How long a broker may wait with its answer when there is nothing new.', {
    default: 500,
    min: 1,
  }),
  enable_auto_commit: option.boolean('Taken either way: an offset is committed after its events are stored, and never before.', {
    default: true,
  }),
  auto_commit_interval_ms: option.integer('How often the offsets of what was stored are committed. Logstash has 5000.', {
    default: 1_000,
    min: 10,
  }),
  consumer_threads: kept('one member reads all its partitions side by side'),
  auto_create_topics: kept('topics are never created by reading'),
  poll_timeout_ms: kept('records are taken as they come'),
  check_crcs: kept("checksums are the brokers' work"),
  group_instance_id: kept(
    'static membership is not spoken, so after a restart the partitions are divided anew, which takes about a second',
  ),
  group_protocol: keptAs(['classic'], 'the newer group protocol is not spoken'),
  partition_assignment_strategy: kept(
    'partitions are divided in turn. All members must be of this kind: a Logstash in the same group has to be stopped first',
  ),
  key_deserializer_class: keptAs([STRINGS, BYTES], NO_CLASSES),
  value_deserializer_class: keptAs([STRINGS, BYTES], NO_CLASSES),
}

export type KafkaOptions = option.OptionValues<typeof KAFKA_OPTIONS>

const NO_REGISTRY = 'there is no schema registry client; write JSON or text into the topic and set codec'

/** Logstash's options that cannot be honoured, and what to do instead. */
export const REFUSED_OPTIONS = {
  ...REFUSED_CONNECTION_OPTIONS,
  zk_connect: 'Kafka is asked without ZooKeeper since its version 0.9: name the brokers in bootstrap_servers',
  reset_beginning: 'write auto_offset_reset => "earliest"',
  white_list: 'write topics_pattern',
  black_list: 'write topics_pattern, with what it must not match in (?!…)',
  schema_registry_url: NO_REGISTRY,
  schema_registry_key: NO_REGISTRY,
  schema_registry_secret: NO_REGISTRY,
  schema_registry_proxy: NO_REGISTRY,
  schema_registry_validation: NO_REGISTRY,
  schema_registry_ssl_keystore_location: NO_REGISTRY,
  schema_registry_ssl_keystore_password: NO_REGISTRY,
  schema_registry_ssl_keystore_type: NO_REGISTRY,
  schema_registry_ssl_truststore_location: NO_REGISTRY,
  schema_registry_ssl_truststore_password: NO_REGISTRY,
  schema_registry_ssl_truststore_type: NO_REGISTRY,
}
