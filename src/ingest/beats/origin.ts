import { hash } from 'node:crypto'
import { type FoundFields, valueIn } from '../../core/decoded.ts'
import type { Origin } from '../../core/event.ts'
import { parseJson } from '../../core/json/json.ts'
import { TextWriter } from '../../core/json/text-writer.ts'
import { type Fields, isFields, SourceNumber, type Value } from '../../core/values.ts'
import { asText, hostName, type LogFile, logFacts } from './facts.ts'

/** What the shipper adds around a line: it may change when the same line is read again, or is configuration. */
const SHIPPER_FIELDS: ReadonlySet<string> = new Set([
  '@timestamp', '@metadata', '@version', 'agent', 'beat', 'ecs', 'host', 'input', 'log', 'prospector', 'fields', 'tags',
  'cloud', 'docker', 'container', 'kubernetes', 'orchestrator',
]) // biome-ignore format: a list
/** The same in the shape of Beats 6. */
const SHIPPER_6_FIELDS: ReadonlySet<string> = new Set([...SHIPPER_FIELDS, 'source', 'offset'])

/** What an id is made of is put together here. */
const scratch = new TextWriter()

/** Of one connection: where its events come from. */
export class BeatsOrigins {
  /** Of something that did not become an event. */
  readonly peer: BeatsOrigin
  readonly #input: string
  readonly #address: string
  /** Where the last event came from: the next one mostly does too. */
  #last: Place | undefined

  constructor(input: string, address: string) {
    this.#input = input
    this.#address = address
    this.peer = new BeatsOrigin(input, address, undefined, '', '', 0)
  }

  /**
   * Of an event, as its Beat tells it.
   * @param message what stands in that field
   * @param json the text of the whole frame
   */
  of(frame: FoundFields, message: Value | undefined, json: string): BeatsOrigin {
    const log = logFacts(frame)
    const given = valueIn(frame, 'beat')
    const beat = isFields(given) ? given : undefined
    // Beats 6 had both outside of `log`, the last of them the path inside too. In later ones these are the line's own.
    const path = log?.file.path ?? (beat && asText(valueIn(frame, 'source')))
    const offset = log?.offset ?? (beat && asText(valueIn(frame, 'offset')))
    if (path === undefined || offset === undefined) return this.peer
    const shipper_fields = beat === undefined ? SHIPPER_FIELDS : SHIPPER_6_FIELDS
    const place = this.#placeOf(hostName(frame, beat), path, log?.file, shipper_fields)
    const is_raw = typeof message === 'string' && holdsOnlyLine(frame, shipper_fields)
    return new BeatsOrigin(this.#input, this.#address, place, offset, is_raw ? message : json, 0, is_raw)
  }

  #placeOf(host: string | undefined, path: string, file: LogFile | undefined, shipper_fields: ReadonlySet<string>): Place {
    const last = this.#last
    if (last?.path === path && last.host === host && last.shipper_fields === shipper_fields && isSameFile(last.file, file)) {
      return last
    }
    this.#last = new Place(host, path, file, shipper_fields)
    return this.#last
  }
}

/** Also of two that were read from two events. */
function isSameFile(a: LogFile | undefined, b: LogFile | undefined): boolean {
  if (a === b) return true
  return a?.path === b?.path && a?.device === b?.device && a?.inode === b?.inode && a?.fingerprint === b?.fingerprint
}

/** A file on a host, as its Beat told it. */
class Place {
  readonly host: string | undefined
  readonly path: string
  readonly file: LogFile | undefined
  readonly shipper_fields: ReadonlySet<string>
  /** What the id of each of its lines begins with. */
  readonly id_beginning: Buffer

  constructor(host: string | undefined, path: string, file: LogFile | undefined, shipper_fields: ReadonlySet<string>) {
    this.host = host
    this.path = path
    this.file = file
    this.shipper_fields = shipper_fields
    const fingerprint = file?.fingerprint
    const of_file =
      fingerprint === undefined ? [path, file?.device, file?.inode, undefined] : [undefined, undefined, undefined, fingerprint]
    this.id_beginning = Buffer.from([host, ...of_file].map(idPart).join(''))
  }
}

/** Each part stands behind its length, so that no text can pose as the border between two. */
function idPart(part: string | undefined): string {
  return part === undefined ? '-' : `${part.length}:${part}`
}

/**
 * Where an event of a Beat came from. Everything is captured at birth, for filters may change the fields, and
 * no id is computed before somebody asks.
 */
export class BeatsOrigin implements Origin {
  readonly input: string
  readonly #peer: string
  readonly #place: Place | undefined
  readonly #offset: string
  /** The line: its text where Filebeat left it alone, else the whole event as JSON. Empty once the id is known. */
  #line: string
  readonly #is_raw: boolean
  /** Of several events that a codec made of one line. */
  readonly #ordinal: number
  #id: string | undefined

  constructor(
    input: string,
    peer: string,
    place: Place | undefined,
    offset: string,
    line: string,
    ordinal: number,
    is_raw = true,
  ) {
    this.input = input
    this.#peer = peer
    this.#place = place
    this.#offset = offset
    this.#line = line
    this.#is_raw = is_raw
    this.#ordinal = ordinal
  }

  /** The same line's next event. Nobody has asked this one for its id. */
  withOrdinal(ordinal: number): BeatsOrigin {
    return new BeatsOrigin(this.input, this.#peer, this.#place, this.#offset, this.#line, ordinal, this.#is_raw)
  }

  describe(): string {
    return this.#place === undefined ? this.#peer : `${this.#peer} ${this.#place.path}@${this.#offset}`
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
    if (this.#id === undefined) {
      this.#id = this.#computeId(place)
      // The event may wait long for its answer, and without its fields.
      this.#line = ''
    }
    return this.#id
  }

  #computeId(place: Place): string {
    const line = this.#is_raw ? this.#line : canonicalLine(this.#line, place.shipper_fields)
    scratch.clear()
    if (this.#ordinal !== 0) scratch.ascii(`${this.#ordinal};`)
    scratch.ready(place.id_beginning)
    scratch.ascii(`${this.#offset.length}:`)
    scratch.text(this.#offset)
    scratch.ascii(`${line.length}:`)
    scratch.text(line)
    return hash('sha1', scratch.written, 'base64url')
  }
}

/** Whether Filebeat left the line in `message` and decoded nothing of it into further fields. */
function holdsOnlyLine({ fields, source }: FoundFields, shipper_fields: ReadonlySet<string>): boolean {
  for (const name in fields) {
    if (fields[name] !== undefined && name !== 'message' && !shipper_fields.has(name)) return false
  }
  return source === undefined || source.holdsOnly(shipper_fields, 'message')
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
