import type { Origin } from '../../core/event.ts'

/** A record's place in Kafka. */
export class KafkaOrigin implements Origin {
  readonly input: string
  readonly topic: string
  readonly partition: number
  readonly offset: string
  /** Milliseconds since 1970 as Kafka gave them; part of the id, for a topic that was deleted and made anew starts at offset 0. */
  readonly timestamp: string
  /** Which of the events of this record, from 0. */
  readonly ordinal: number

  constructor(
    input: string,
    record: { readonly topic: string; readonly partition: number; readonly offset: string; readonly timestamp: string },
    ordinal: number,
  ) {
    this.input = input
    this.topic = record.topic
    this.partition = record.partition
    this.offset = record.offset
    this.timestamp = record.timestamp
    this.ordinal = ordinal
  }

  describe(): string {
    const place = `${this.topic}/${this.partition}@${this.offset}`
    return this.ordinal === 0 ? place : `${place}#${this.ordinal}`
  }

  /** No part can hold a colon (topics are letters, digits, `.`, `_`, `-`), so two records never share an id. At most 320 characters. */
  stableId(): string {
    return `${this.topic}:${this.partition}:${this.offset}:${this.timestamp}:${this.ordinal}`
  }
}
