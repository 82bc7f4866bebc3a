import { isUtf8 } from 'node:buffer'
import type { Decoded, Decoder, InputContext } from '../../core/contracts.ts'
import { ownField, textIn, valueIn, wholeFields } from '../../core/decoded.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { type FieldRef, parseFieldRef } from '../../core/field-ref.ts'
import { parseJson } from '../../core/json/json.ts'
import { ScannedObject } from '../../core/json/scanned-object.ts'
import {
  cloneFields,
  type Fields,
  isFields,
  member,
  mergeExact,
  parseTimestamp,
  setMember,
  type Value,
} from '../../core/values.ts'
import type { PeerTls } from '../../network/peer-tls.ts'
import { decodeWhole } from '../whole-message.ts'
import type { Slice } from './byte-queue.ts'
import { inOneOrder } from './field-order.ts'
import { type DataFrame, readPairs } from './frames.ts'
import { KnownTexts } from './known-texts.ts'
import { type BeatsOrigin, BeatsOrigins } from './origin.ts'

/** Why a frame did not become an event. Constants, for they are counted. */
const REFUSALS = {
  too_large: 'event is larger than max_event_bytes',
  not_json: 'event is not valid JSON',
  not_an_object: 'event is JSON, but not an object',
  failed: 'event could not be made of the frame',
} as const
export type Refusal = (typeof REFUSALS)[keyof typeof REFUSALS]

/** What an input of this kind adds to each event. */
export interface Enrichment {
  readonly source_metadata: boolean
  readonly codec_metadata: boolean
  readonly ssl_peer_metadata: boolean
  /** Copies `[beat][hostname]` to `host`, as old configs want it. */
  readonly hostname: boolean
}

/** Who is at the other end. */
export interface Peer {
  readonly ip: string
  /** `10.0.0.7:51312`, `[fe80::1]:51312`. */
  readonly address: string
  readonly tls: PeerTls | undefined
}

type Metadata = readonly (readonly [ref: FieldRef, value: string])[]

const BEAT_HOSTNAME = parseFieldRef('[beat][hostname]')
const HOST = parseFieldRef('host')
const RAW_EVENT_TAG = 'beats_input_raw_event'

/** Makes events of the frames of one connection. */
export class EventMaker {
  readonly #context: InputContext
  readonly #decoder: Decoder
  readonly #enrichment: Enrichment
  readonly #codec_tag: string
  readonly #peer: Peer
  readonly #metadata: Metadata
  readonly #origins: BeatsOrigins

  constructor(context: InputContext, enrichment: Enrichment, codec_name: string, peer: Peer) {
    this.#context = context
    this.#decoder = context.createDecoder()
    this.#enrichment = enrichment
    this.#codec_tag = `beats_input_codec_${codec_name}_applied`
    this.#peer = peer
    this.#metadata = metadataOf(peer, enrichment, context.ecs_compatibility !== 'disabled')
    this.#origins = new BeatsOrigins(context.id, peer.address)
  }

  /** Where a frame that did not become an event came from. */
  get origin(): BeatsOrigin {
    return this.#origins.peer
  }

  /** Appends the event of a frame, or the events where the codec finds several; or says why there is none. Never throws. */
  make(frame: DataFrame, events: Event[]): Refusal | undefined {
    if (frame.size_bytes > this.#context.max_event_bytes) return REFUSALS.too_large
    const known = events.length
    try {
      return frame.kind === 'json' ? this.#ofJson(frame, events) : this.#ofPairs(frame, events)
    } catch (thrown) {
      events.length = known
      this.#context.log.warn('beats_event_failed', `${this.#peer.address}: ${REFUSALS.failed}: ${messageOf(thrown)}`)
      return REFUSALS.failed
    }
  }

  #ofJson(frame: DataFrame, events: Event[]): Refusal | undefined {
    const { source, start, end } = frame.body
    const json = source.toString('utf8', start, end)
    const found = readFrame(json)
    if (typeof found === 'string') return found
    if (json.includes('\ufffd')) this.#checkText(frame.body)
    this.#append(found, json, frame.size_bytes, events)
    return undefined
  }

  /** Invalid UTF-8 was read as U+FFFD; somebody should know. */
  #checkText({ source, start, end }: Slice): void {
    if (isUtf8(source.subarray(start, end))) return
    this.#context.log.warn(
      'beats_invalid_utf8',
      `${this.#peer.address} sent an event with invalid UTF-8: each invalid byte became U+FFFD; check "encoding" of that Filebeat input`,
    )
  }

  #ofPairs(frame: DataFrame, events: Event[]): undefined {
    const fields: Fields = {}
    readPairs(frame.body, (name, value) => setMember(fields, name, value))
    this.#append({ fields, exact: false }, '', frame.size_bytes, events)
  }

  #append(frame: Decoded, json: string, size_bytes: number, events: Event[]): void {
    const { fields } = frame
    readTime(frame)
    readMetadata(frame)
    const message = valueIn(frame, 'message')
    const origin = this.#origins.of(frame, message, json)
    if (typeof message === 'string' && this.#decoder.keeps_text === true) {
      events.push(this.#finish(frame, origin, size_bytes, this.#codec_tag))
      return
    }
    const line = findLine(frame, message)
    const decoded = line === undefined ? NOTHING : decodeWhole(this.#decoder, line.text)
    // A line that is already the field that the codec makes of it stays where it is, text among text.
    if (line !== undefined && !isKept(line, decoded)) remove(frame, line.name)
    if (decoded.length <= 1) {
      // A codec that finds nothing in a text (json in a blank one) does not make it disappear.
      const tag = decoded.length === 0 ? RAW_EVENT_TAG : this.#codec_tag
      if (decoded.length === 0 && line !== undefined) setMember(fields, 'message', line.text)
      events.push(this.#finish(merge(frame, decoded[0]), origin, size_bytes, tag))
      return
    }
    const share_bytes = Math.ceil(size_bytes / decoded.length)
    for (const [ordinal, one] of decoded.entries()) {
      const copy: Decoded = { fields: cloneFields(fields), exact: frame.exact, source: frame.source?.copy() }
      events.push(this.#finish(merge(copy, one), origin.withOrdinal(ordinal), share_bytes, this.#codec_tag))
    }
  }

  #finish(decoded: Decoded, origin: BeatsOrigin, size_bytes: number, tag: string): Event {
    const event = this.#context.createEvent(decoded, origin, size_bytes)
    for (const [ref, value] of this.#metadata) setMetadata(event, ref, value)
    if (this.#enrichment.hostname) copyHostname(event)
    if (this.#enrichment.codec_metadata) event.tag(tag)
    return event
  }
}

const NOTHING: readonly Decoded[] = []

/** What a frame holds, mostly still as its text; or why it becomes no event. */
function readFrame(json: string): Decoded | Refusal {
  const source = ScannedObject.read(json)
  if (source !== undefined) return { fields: firstFields(), exact: false, source }
  try {
    const { value, exact } = parseJson(json)
    return isFields(value) ? { fields: inOneOrder(value), exact } : REFUSALS.not_an_object
  } catch {
    return REFUSALS.not_json
  }
}

/** What every event gets at its birth has its place from the start: V8 has one shape for all of them then. */
function firstFields(): Fields {
  return { '@timestamp': undefined, '@metadata': undefined, '@version': undefined, tags: undefined }
}

/** A time that can not be read is replaced by the clock without a tag, as Logstash does for Beats only. */
function readTime(frame: Decoded): void {
  const given = ownField(frame, '@timestamp')
  if (given === undefined) return
  setMember(frame.fields, '@timestamp', typeof given === 'string' ? parseTimestamp(given) : undefined)
}

const knownMetadata = new KnownTexts((text) => {
  const { value, exact } = parseJson(text)
  const is_flat = isFields(value) && exact === false && Object.values(value).every((one) => typeof one === 'string')
  return is_flat ? value : undefined
})

/** What a Beat puts into its metadata is the same in each event, and mostly texts alone. */
function readMetadata(frame: Decoded): void {
  const text = textIn(frame, '@metadata')
  const known = text === undefined ? undefined : knownMetadata.of(text)
  if (known === undefined) return
  frame.source?.cut('@metadata')
  setMember(frame.fields, '@metadata', { ...known })
}

interface Line {
  readonly name: 'message' | 'line'
  readonly value: Value
  readonly text: string
}

/** What the codec decodes: `message` of a Beat, `line` of a logstash-forwarder. Maps and lists are none. */
function findLine(frame: Decoded, message: Value = null): Line | undefined {
  const name = message === null ? 'line' : 'message'
  const value = message === null ? (valueIn(frame, 'line') ?? null) : message
  if (value === null || (typeof value === 'object' && (isFields(value) || Array.isArray(value)))) return undefined
  return { name, value, text: String(value) }
}

function isKept({ name, value }: Line, decoded: readonly Decoded[]): boolean {
  const [only] = decoded
  return name === 'message' && decoded.length === 1 && only?.source === undefined && only?.fields['message'] === value
}

function remove({ fields, source }: Decoded, name: string): void {
  if (member(fields, name) !== undefined) setMember(fields, name, undefined)
  source?.cut(name)
}

/** What the codec found goes into the frame's fields where the frame has none of that name: its own win. */
function merge(frame: Decoded, decoded: Decoded | undefined): Decoded {
  if (decoded === undefined) return frame
  const { fields, exact } = wholeFields(decoded)
  for (const name of Object.keys(fields)) {
    const value = member(fields, name)
    if (value === undefined || member(frame.fields, name) !== undefined || frame.source?.has(name) === true) continue
    setMember(frame.fields, name, value)
  }
  return { ...frame, exact: mergeExact(frame.exact, exact) }
}

function metadataOf({ ip, tls }: Peer, enrichment: Enrichment, ecs: boolean): Metadata {
  const metadata: [FieldRef, string][] = []
  const add = (name: string, value: string): void => {
    metadata.push([parseFieldRef(name), value])
  }
  if (enrichment.source_metadata) add(ecs ? '[@metadata][input][beats][host][ip]' : '[@metadata][ip_address]', ip)
  if (!enrichment.ssl_peer_metadata || tls === undefined) return metadata
  const holder = ecs ? '[@metadata][input][beats][tls]' : '[@metadata][tls_peer]'
  add(`${holder}[status]`, tls.subject === undefined ? 'unverified' : 'verified')
  if (tls.subject === undefined) return metadata
  add(ecs ? `${holder}[version_protocol]` : `${holder}[protocol]`, tls.protocol)
  add(ecs ? `${holder}[client][subject]` : `${holder}[subject]`, tls.subject)
  add(ecs ? `${holder}[cipher]` : `${holder}[cipher_suite]`, tls.cipher_suite)
  return metadata
}

/** Also where the sender put a text in the way of the path. */
function setMetadata(event: Event, ref: FieldRef, value: string): void {
  try {
    event.set(ref, value)
  } catch {
    event.remove(parseFieldRef(`[@metadata][${ref.path[0]}]`))
    event.set(ref, value)
  }
}

function copyHostname(event: Event): void {
  const name = event.get(BEAT_HOSTNAME)
  if (name !== undefined && !event.has(HOST)) event.set(HOST, name)
}
