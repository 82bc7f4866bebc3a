import type { Origin } from '../../core/event.ts'
import type { TopicPartition } from './client.ts'

/** The partition that a record is in: one object for all of its records. */
export class RecordPlace implements TopicPartition {
  readonly topic: string
  readonly partition: number
  /** What the ids of its records begin with. */
  readonly id_beginning: string

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
    this.id_beginning = `${topic}:${partition}:`
  }
}

/** A record's place in Kafka. */
export class KafkaOrigin implements Origin {
  readonly input: string
  readonly place: RecordPlace
  readonly offset: string
  /** Milliseconds since 1970 as Kafka gave them; part of the id, for a topic that was deleted and made anew starts at offset 0. */
  readonly timestamp: string
  /** Which of the events of this record, from 0. */
  readonly ordinal: number

  constructor(
    input: string,
    place: RecordPlace,
    { offset, timestamp }: { readonly offset: string; readonly timestamp: string },
    ordinal: number,
  ) {
    this.input = input
    this.place = place
    this.offset = offset
    this.timestamp = timestamp
    this.ordinal = ordinal
  }

  describe(): string {
    const at = `${this.place.topic}/${this.place.partition}@${this.offset}`
    return this.ordinal === 0 ? at : `${at}#${this.ordinal}`
  }

  /** No part can hold a colon (topics are letters, digits, `.`, `_`, `-`), so two records never share an id. At most 320 characters. */
  stableId(): string {
    return `${this.place.id_beginning}${this.offset}:${this.timestamp}:${this.ordinal}`
  }
}
