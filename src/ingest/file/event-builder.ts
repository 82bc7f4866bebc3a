import { hostname } from 'node:os'
import { crc32 } from 'node:zlib'
import type { Decoded, Decoder, InputContext } from '../../core/contracts.ts'
import type { Event } from '../../core/event.ts'
import { placeIfMissing } from '../placed-fields.ts'
import { decodeWhole } from '../whole-message.ts'
import { FileOrigin } from './file-origin.ts'
import type { TrackedFile } from './tracked-file.ts'

/** Why something in a file is no event. */
export type Refusal = 'too_large' | 'too_deep' | 'undecodable'

const METADATA_PATH = ['@metadata', 'path']
const METADATA_HOST = ['@metadata', 'host']

/** Makes the events of a file: fields, host and path in Logstash's places, and an origin. */
export class EventBuilder {
  readonly #context: InputContext
  readonly #host = hostname()
  readonly #host_path: readonly string[]
  readonly #path_path: readonly string[]

  constructor(context: InputContext) {
    this.#context = context
    const ecs = context.ecs_compatibility !== 'disabled'
    this.#host_path = ecs ? ['host', 'name'] : ['host']
    this.#path_path = ecs ? ['log', 'file', 'path'] : ['path']
  }

  /** What a codec finds in one line, or completes with it. */
  decode(decoder: Decoder, line: Buffer): readonly Decoded[] {
    // A codec for streams waits for a newline, which was cut off.
    return decoder.splits_stream === true ? decodeWhole(decoder, line) : decoder.decode(line)
  }

  ofDecoded(file: TrackedFile, decoded: readonly Decoded[], offset: number, checksum: number, size_bytes: number): Event[] {
    const each_bytes = Math.ceil(size_bytes / Math.max(1, decoded.length))
    const events: Event[] = []
    for (let ordinal = 0; ordinal < decoded.length; ordinal++) {
      const one = decoded[ordinal] as Decoded
      placeIfMissing(one, this.#host_path, this.#host)
      placeIfMissing(one, this.#path_path, file.path)
      placeIfMissing(one, METADATA_PATH, file.path)
      placeIfMissing(one, METADATA_HOST, this.#host)
      const origin = new FileOrigin(this.#context.id, file.path, file.id, offset, checksum, ordinal)
      events.push(this.#context.createEvent(one, origin, each_bytes))
    }
    return events
  }

  /** Keeps the beginning of what cannot be an event among the dead letters. Resolves once it is on the disk. */
  async deadLetter(file: TrackedFile, reason: Refusal, raw: Buffer, offset: number, size_bytes: number): Promise<void> {
    const origin = new FileOrigin(this.#context.id, file.path, file.id, offset, crc32(raw), 0)
    await this.#context.deadLetter(raw, reason, origin, size_bytes)
  }
}
