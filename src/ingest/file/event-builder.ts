import { hostname } from 'node:os'
import { crc32 } from 'node:zlib'
import type { Decoded, Decoder, InputContext } from '../../core/contracts.ts'
import type { Event } from '../../core/event.ts'
import { isEmpty } from '../../core/values.ts'
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
  readonly #is_ecs: boolean
  readonly #host_path: readonly string[]
  readonly #path_path: readonly string[]

  constructor(context: InputContext) {
    this.#context = context
    const ecs = context.ecs_compatibility !== 'disabled'
    this.#is_ecs = ecs
    this.#host_path = ecs ? ['host', 'name'] : ['host']
    this.#path_path = ecs ? ['log', 'file', 'path'] : ['path']
  }

  /** What a codec finds in one line, or completes with it. */
  decode(decoder: Decoder, line: Buffer): readonly Decoded[] {
    // A codec for streams waits for a newline, which was cut off.
    return decoder.splits_stream === true ? decodeWhole(decoder, line) : decoder.decode(line)
  }

  /** Appends the events of what was decoded of one line. */
  append(
    events: Event[],
    file: TrackedFile,
    decoded: readonly Decoded[],
    offset: number,
    checksum: number,
    size_bytes: number,
  ): void {
    const each_bytes = Math.ceil(size_bytes / Math.max(1, decoded.length))
    for (let ordinal = 0; ordinal < decoded.length; ordinal++) {
      const one = decoded[ordinal] as Decoded
      this.#place(one, file.path)
      const origin = new FileOrigin(this.#context.id, file.path, file.id_beginning, offset, checksum, ordinal)
      events.push(this.#context.createEvent(one, origin, each_bytes))
    }
  }

  /** Sets host and path where the line has none of its own. */
  #place(decoded: Decoded, path: string): void {
    const { fields, source } = decoded
    // Most lines are text that has nothing in these places, and no fields yet: one look for all of them.
    if (
      !this.#is_ecs &&
      source !== undefined &&
      isEmpty(fields) &&
      !source.has('host') &&
      !source.has('path') &&
      !source.has('@metadata')
    ) {
      fields['host'] = this.#host
      fields['path'] = path
      fields['@metadata'] = { path, host: this.#host }
      return
    }
    placeIfMissing(decoded, this.#host_path, this.#host)
    placeIfMissing(decoded, this.#path_path, path)
    placeIfMissing(decoded, METADATA_PATH, path)
    placeIfMissing(decoded, METADATA_HOST, this.#host)
  }

  /** Keeps the beginning of what cannot be an event among the dead letters. Resolves once it is on the disk. */
  async deadLetter(file: TrackedFile, reason: Refusal, raw: Buffer, offset: number, size_bytes: number): Promise<void> {
    const origin = new FileOrigin(this.#context.id, file.path, file.id_beginning, offset, crc32(raw), 0)
    await this.#context.deadLetter(raw, reason, origin, size_bytes)
  }
}
