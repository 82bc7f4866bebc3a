import { EVENT_STATES, Event, type EventState, type Origin } from '../core/event.ts'
import { parseJson } from '../core/json/json.ts'
import { ScannedObject } from '../core/json/scanned-object.ts'
import { type Fields, isFields, member, stringify } from '../core/values.ts'

/*
 * An event on disk, the payload of one record of a segment file, numbers big-endian:
 *
 *   payload = version u8 (1)  body kind u8  head length u32  head  body
 *   head    = JSON in UTF-8: { key, input, queued_ms, worst, origin, id, ordinal, replays, size_bytes, metadata }
 *   body    = kind 0: the event's document as JSON; kind 1: bytes of the output that it waits for
 *
 * The document keeps its numbers as they came. `id` with `ordinal` behind it is the lasting id, and the stable id from here on.
 */
const VERSION = 1
const KIND_DOCUMENT = 0
const KIND_OWN = 1
const FIXED_BYTES = 6

/** What is kept of an event beside itself. */
export interface Kept {
  /** What it waits for: the key that it was parked with. */
  readonly key?: string | undefined
  /** The input that it came from. */
  readonly input?: string | undefined
  /** When it was put on the disk, in milliseconds since 1970. */
  readonly queued_ms?: number | undefined
  /** The worst of what other outputs made of it, where this was its last one. */
  readonly worst?: EventState | undefined
  /** What its output would send, instead of its document. */
  readonly own?: Buffer | undefined
}

export interface StoredEvent extends Kept {
  /** Without fields where `own` is there. */
  readonly event: Event
}

/** The payload of an event's record. */
export function encodeEvent(event: Event, { key, input, queued_ms, worst, own }: Kept = {}): Buffer {
  const { origin, size_bytes } = event
  const from = { origin: origin?.describe(), id: event.lastingIdOfOrigin(), replays: origin?.replays }
  const ordinal = event.ordinal === '' ? undefined : event.ordinal
  const known = JSON.stringify({ key, input: input ?? origin?.input, queued_ms, worst, ...from, ordinal, size_bytes }).slice(
    0,
    -1,
  )
  const head = Buffer.from(`${known},"metadata":${stringify(event.metadata)}}`)
  const body = own ?? event.toJson()
  const fixed = Buffer.allocUnsafe(FIXED_BYTES)
  fixed.writeUInt8(VERSION, 0)
  fixed.writeUInt8(own === undefined ? KIND_DOCUMENT : KIND_OWN, 1)
  fixed.writeUInt32BE(head.length, 2)
  return Buffer.concat([fixed, head, body])
}

/** The event in a record, or `undefined` where it holds something else. */
export function decodeEvent(payload: Buffer): StoredEvent | undefined {
  if (payload.length < FIXED_BYTES || payload.readUInt8(0) !== VERSION) return undefined
  const kind = payload.readUInt8(1)
  const body_at = FIXED_BYTES + payload.readUInt32BE(2)
  if (body_at > payload.length || (kind !== KIND_DOCUMENT && kind !== KIND_OWN)) return undefined
  try {
    const { value: head } = parseJson(payload.toString('utf8', FIXED_BYTES, body_at))
    const metadata = isFields(head) ? member(head, 'metadata') : undefined
    if (!isFields(head) || !isFields(metadata)) return undefined
    const is_known = textIn(head, 'origin') !== undefined || textIn(head, 'id') !== undefined
    const options = { origin: is_known ? new StoredOrigin(head) : undefined, ordinal: textIn(head, 'ordinal') ?? '' }
    const body = payload.subarray(body_at)
    const event = kind === KIND_OWN ? withoutFields(metadata, options) : fromDocument(body, metadata, options)
    if (event === undefined) return undefined
    event.size_bytes = numberIn(head, 'size_bytes') ?? body.length
    const worst = EVENT_STATES.find((state) => state === member(head, 'worst'))
    const kept = { key: textIn(head, 'key'), input: textIn(head, 'input'), queued_ms: numberIn(head, 'queued_ms') }
    return { event, ...kept, worst, own: kind === KIND_OWN ? body : undefined }
  } catch {
    // Not JSON: the checksum was right, so another program wrote it.
    return undefined
  }
}

type Options = { readonly origin: Origin | undefined; readonly ordinal: string }

function fromDocument(body: Buffer, metadata: Fields, options: Options): Event | undefined {
  const text = body.toString()
  const source = ScannedObject.read(text)
  if (source !== undefined) return Event.restore({}, metadata, { exact: false, source, ...options })
  const { value, exact } = parseJson(text)
  return isFields(value) ? Event.restore(value, metadata, { exact, ...options }) : undefined
}

function withoutFields(metadata: Fields, options: Options): Event {
  const event = Event.restore({}, metadata, { exact: false, ...options })
  event.letFieldsGo()
  return event
}

/** Where a stored event came from. */
class StoredOrigin implements Origin {
  readonly input: string
  readonly replays?: number
  readonly #description: string
  readonly #id: string | undefined

  constructor(head: Fields) {
    this.input = textIn(head, 'input') ?? ''
    this.#id = textIn(head, 'id')
    this.#description = textIn(head, 'origin') ?? this.#id ?? ''
    const replays = numberIn(head, 'replays')
    if (replays !== undefined) this.replays = replays
  }

  describe(): string {
    return this.#description
  }

  stableId(): string | undefined {
    return this.#id
  }
}

function textIn(head: Fields, name: string): string | undefined {
  const value = member(head, name)
  return typeof value === 'string' ? value : undefined
}

function numberIn(head: Fields, name: string): number | undefined {
  const value = member(head, name)
  return typeof value === 'number' ? value : undefined
}
