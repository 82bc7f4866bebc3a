import { hash } from 'node:crypto'
import { type FoundFields, valueIn } from '../../core/decoded.ts'
import type { Origin } from '../../core/event.ts'
import { parseJson } from '../../core/json/json.ts'
import { type Fields, isFields, SourceNumber, type Value } from '../../core/values.ts'
import { asText, hostName, type LogFacts, logFacts } from './facts.ts'

/** What the shipper adds around a line: it may change when the same line is read again, or is configuration. */
const SHIPPER_FIELDS: ReadonlySet<string> = new Set([
  '@timestamp', '@metadata', '@version', 'agent', 'beat', 'ecs', 'host', 'input', 'log', 'prospector', 'fields', 'tags',
  'cloud', 'docker', 'container', 'kubernetes', 'orchestrator',
]) // biome-ignore format: a list
/** The same in the shape of Beats 6. */
const SHIPPER_6_FIELDS: ReadonlySet<string> = new Set([...SHIPPER_FIELDS, 'source', 'offset'])

/** Where a line stands, as its Beat told it. */
interface Place {
  readonly host: string | undefined
  readonly path: string
  readonly offset: string
  readonly log: LogFacts | undefined
  readonly shipper_fields: ReadonlySet<string>
}

/**
 * Where an event of a Beat came from. Everything is captured at birth, for filters may change the fields, and
 * nothing is computed before somebody asks.
 */
export class BeatsOrigin implements Origin {
  readonly input: string
  readonly #peer: string
  readonly #place: Place | undefined
  /** The line: its text where Filebeat left it alone, else the whole event as JSON. */
  readonly #line: string
  readonly #is_raw: boolean
  /** Of several events that a codec made of one line. */
  readonly #ordinal: number
  #id: string | undefined

  private constructor(input: string, peer: string, place: Place | undefined, line: string, is_raw: boolean, ordinal: number) {
    this.input = input
    this.#peer = peer
    this.#place = place
    this.#line = line
    this.#is_raw = is_raw
    this.#ordinal = ordinal
  }

  /** Of something that did not become an event. */
  static ofPeer(input: string, peer: string): BeatsOrigin {
    return new BeatsOrigin(input, peer, undefined, '', true, 0)
  }

  /** @param json the text of the whole frame */
  static capture(input: string, peer: string, frame: FoundFields, json: string): BeatsOrigin {
    const place = placeOf(frame)
    if (place === undefined) return BeatsOrigin.ofPeer(input, peer)
    const message = valueIn(frame, 'message')
    const is_raw = typeof message === 'string' && holdsOnlyLine(frame, place.shipper_fields)
    return new BeatsOrigin(input, peer, place, is_raw ? message : json, is_raw, 0)
  }

  /** The same line's next event. */
  withOrdinal(ordinal: number): BeatsOrigin {
    return new BeatsOrigin(this.input, this.#peer, this.#place, this.#line, this.#is_raw, ordinal)
  }

  describe(): string {
    return this.#place === undefined ? this.#peer : `${this.#peer} ${this.#place.path}@${this.#place.offset}`
  }

  /**
   * Of host, path, device and inode, fingerprint, offset and the line itself, 27 characters; `undefined` where the
   * event tells no path and offset, for then two equal events are not known to be one. The line is in it because a
   * file that was cut and written again has the same place for another line. A fingerprint stands for the file by
   * itself: a Filebeat that starts after a rotation repeats lines under the file's new name. An inode does not, for
   * the next file may get it.
   */
  stableId(): string | undefined {
    const place = this.#place
    if (place === undefined) return undefined
    this.#id ??= this.#computeId(place)
    return this.#id
  }

  #computeId(place: Place): string {
    const line = this.#is_raw ? this.#line : canonicalLine(this.#line, place.shipper_fields)
    const { host, path, offset, log } = place
    const fingerprint = log?.fingerprint
    const file =
      fingerprint === undefined ? [path, log?.device, log?.inode, undefined] : [undefined, undefined, undefined, fingerprint]
    const parts = [host, ...file, offset, line]
    // Each part stands behind its length, so that no text can pose as the border between two.
    let text = this.#ordinal === 0 ? '' : `${this.#ordinal};`
    for (const part of parts) text += part === undefined ? '-' : `${part.length}:${part}`
    return hash('sha1', text, 'base64url')
  }
}

function placeOf(frame: FoundFields): Place | undefined {
  const log = logFacts(frame)
  const given = valueIn(frame, 'beat')
  const beat = isFields(given) ? given : undefined
  // Beats 6 had both outside of `log`, the last of them the path inside too. In later ones these are the line's own.
  const path = log?.path ?? (beat && asText(valueIn(frame, 'source')))
  const offset = log?.offset ?? (beat && asText(valueIn(frame, 'offset')))
  if (path === undefined || offset === undefined) return undefined
  return {
    host: hostName(frame, beat),
    path,
    offset,
    log,
    shipper_fields: beat === undefined ? SHIPPER_FIELDS : SHIPPER_6_FIELDS,
  }
}

/** Whether Filebeat left the line in `message` and decoded nothing of it into further fields. */
function holdsOnlyLine({ fields, source }: FoundFields, shipper_fields: ReadonlySet<string>): boolean {
  const isExpected = (name: string): boolean => name === 'message' || shipper_fields.has(name)
  const own = Object.keys(fields).every((name) => isExpected(name) || fields[name] === undefined)
  return own && (source === undefined || source.names().every(isExpected))
}

/** The fields that were in the line, in sorted order: the order in which Filebeat sends them is random. */
function canonicalLine(json: string, shipper_fields: ReadonlySet<string>): string {
  const { value } = parseJson(json)
  if (!isFields(value)) return json
  const names = Object.keys(value).filter((name) => !shipper_fields.has(name))
  return canonicalMembers(value, names)
}

function canonicalMembers(fields: Fields, names: string[]): string {
  let text = '{'
  for (const name of names.sort()) text += `${JSON.stringify(name)}:${canonicalText(fields[name] ?? null)},`
  return `${text}}`
}

function canonicalText(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`
  if (isFields(value)) return canonicalMembers(value, Object.keys(value))
  if (typeof value === 'bigint' || value instanceof SourceNumber) return value.toString()
  return JSON.stringify(value)
}
