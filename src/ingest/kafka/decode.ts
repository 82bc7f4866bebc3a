import { isUtf8 } from 'node:buffer'
import type { Decoded, Decoder, InputContext } from '../../core/contracts.ts'
import { ownField } from '../../core/decoded.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import { type Fields, parseTimestamp, setMember, Timestamp, type Value } from '../../core/values.ts'
import { unreadableReason } from '../../kafka/compression.ts'
import { decodeWhole } from '../whole-message.ts'
import type { KafkaRecord, TopicPartition } from './client.ts'
import { KafkaOrigin, RecordPlace } from './origin.ts'

/** What some records gave. */
export interface DecodedRecords {
  readonly events: Event[]
  /** What cannot become an event, for the dead letters. */
  readonly refused: Refused[]
}

interface Refused {
  readonly raw: Buffer
  /** A constant: it is a label in the ledger. */
  readonly reason: 'too_large' | 'undecodable' | 'unreadable_batch'
  readonly origin: KafkaOrigin
}

export interface DecodeSettings {
  readonly group_id: string
  readonly decorate_events: 'none' | 'basic' | 'extended'
  /** Where an event without a time of its own takes it from. */
  readonly timestamp: 'record' | 'receive'
}

const TIMESTAMP = parseFieldRef('@timestamp')
const METADATA = parseFieldRef('[@metadata][kafka]')
const NO_BYTES = Buffer.alloc(0)
/** The end of the year 9999. Producers set what they like, and later times have no ISO form with four digits. */
const EPOCH_MS_MAX = 253_402_300_799_999

/** Makes events of records. */
export class RecordDecoder {
  readonly #context: InputContext
  readonly #settings: DecodeSettings
  readonly #decoder: Decoder
  /** Of the last record: the next one is mostly of the same partition. */
  #place = new RecordPlace('', -1)

  constructor(context: InputContext, settings: DecodeSettings) {
    this.#context = context
    this.#settings = settings
    this.#decoder = context.createDecoder()
  }

  /** Appends what the record gives to `into`: any number of events, or one refusal. Never throws. */
  decode({ topic, partition }: TopicPartition, record: KafkaRecord, into: DecodedRecords): void {
    if (topic !== this.#place.topic || partition !== this.#place.partition) this.#place = new RecordPlace(topic, partition)
    const unreadable = unreadableReason(record.headers)
    if (unreadable !== undefined) {
      if (unreadable !== '') this.#refuse('unreadable_batch', record, `the record batch that starts here: ${unreadable}`, into)
      return
    }
    const bytes = record.value?.length ?? 0
    if (bytes > this.#context.max_event_bytes) {
      return this.#refuse(
        'too_large',
        record,
        `${bytes} bytes are more than max_event_bytes (${this.#context.max_event_bytes})`,
        into,
      )
    }
    const { events } = into
    const known = events.length
    try {
      // No value (a tombstone) is empty text, as in Logstash.
      const decoded = decodeWhole(this.#decoder, record.value ?? NO_BYTES)
      const size_bytes = Math.ceil((bytes + (record.key?.length ?? 0)) / Math.max(1, decoded.length))
      for (let ordinal = 0; ordinal < decoded.length; ordinal++) {
        const one = decoded[ordinal] as Decoded
        events.push(this.#createEvent(one, this.#originOf(record, ordinal), size_bytes, record))
      }
    } catch (thrown) {
      events.length = known
      this.#refuse('undecodable', record, messageOf(thrown), into)
    }
  }

  #originOf(record: KafkaRecord, ordinal: number): KafkaOrigin {
    return new KafkaOrigin(this.#context.id, this.#place, record, ordinal)
  }

  #createEvent(decoded: Decoded, origin: KafkaOrigin, size_bytes: number, record: KafkaRecord): Event {
    const given = ownField(decoded, '@timestamp')
    const time = this.#settings.timestamp === 'record' && !isTime(given) ? timeOf(record) : undefined
    if (time !== undefined && given === undefined) setMember(decoded.fields, '@timestamp', time)
    const event = this.#context.createEvent(decoded, origin, size_bytes)
    // What could not be read is kept and tagged by then.
    if (time !== undefined) event.set(TIMESTAMP, time)
    if (this.#settings.decorate_events !== 'none') event.set(METADATA, this.#metadata(origin, record))
    return event
  }

  #metadata(origin: KafkaOrigin, record: KafkaRecord): Fields {
    const fields: Fields = {
      topic: origin.place.topic,
      consumer_group: this.#settings.group_id,
      partition: origin.place.partition,
      offset: Number(record.offset),
      key: record.key === null ? null : record.key.toString('utf8'),
      timestamp: Number(record.timestamp),
    }
    if (this.#settings.decorate_events === 'extended') fields['headers'] = readHeaders(record.headers)
    return fields
  }

  #refuse(reason: Refused['reason'], record: KafkaRecord, why: string, into: DecodedRecords): void {
    const origin = this.#originOf(record, 0)
    const message = `${this.#context.where}: ${origin.describe()} cannot become an event: ${why}; its first 64 kB are among the dead letters`
    this.#context.log.error(`kafka_${reason}`, message)
    into.refused.push({ raw: record.value ?? NO_BYTES, reason, origin })
  }
}

function isTime(given: Value | undefined): boolean {
  return given instanceof Timestamp || (typeof given === 'string' && parseTimestamp(given) !== undefined)
}

function timeOf(record: KafkaRecord): Timestamp | undefined {
  const epoch_ms = Number(record.timestamp)
  return epoch_ms >= 0 && epoch_ms <= EPOCH_MS_MAX ? new Timestamp(epoch_ms) : undefined
}

/** Headers with valid UTF-8, as Logstash takes them; of a name that comes twice the last one. */
function readHeaders(headers: KafkaRecord['headers'] = {}): Fields {
  const fields: Fields = {}
  for (const name of Object.keys(headers)) {
    const given = headers[name]
    const value: unknown = Array.isArray(given) ? given.at(-1) : given
    if (typeof value === 'string') setMember(fields, name, value)
    else if (Buffer.isBuffer(value) && isUtf8(value)) setMember(fields, name, value.toString('utf8'))
  }
  return fields
}
