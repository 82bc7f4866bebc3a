import { EventLife } from './event-life.ts'
import { below, descend, isHolder, listIndex, notSettable, put } from './field-path.ts'
import { type FieldRef, parseFieldRef } from './field-ref.ts'
import { writeMembers, writeName } from './json/print-members.ts'
import type { ScannedObject } from './json/scanned-object.ts'
import { printFields } from './json/stringify-exact.ts'
import { TextWriter } from './json/text-writer.ts'
import type { Origin } from './origin.ts'
import type { PrintedFields } from './printed-fields.ts'
import { areTags, checkReserved, holdsOthers, isReserved, RESERVED, TIMESTAMP } from './reserved-fields.ts'
import {
  cloneFields,
  type Exact,
  type Fields,
  holdsBigint,
  isEmpty,
  isFields,
  member,
  parseTimestamp,
  setMember,
  Timestamp,
  type Value,
  withExact,
} from './values.ts'

export type { Prepared, Tracking } from './event-life.ts'
export { EVENT_STATES, type EventState, isDelivered, type Origin, type Settlement } from './origin.ts'

const METADATA_REF = parseFieldRef('[@metadata]')

const scratch = new TextWriter()

/** The fields of an event that let its own go. */
const GONE: Fields = Object.freeze({})

export interface EventOptions {
  /** Where exact numbers may be among the fields; looked for when left out. */
  readonly exact?: Exact
  readonly origin?: Origin | undefined
  /** Fields that are still the text they came as; those that are given above it. */
  readonly source?: ScannedObject | undefined
}

/**
 * One log event: fields, metadata that no output prints, a time, tags.
 *
 * Components use only the methods below, never a field by key, so that the inside can change.
 * `get` returns live values: what is changed must be `set` again.
 */
export class Event extends EventLife {
  #fields: Fields
  #metadata: Fields
  #exact: Exact
  /** Where the fields were let go. */
  #time: Timestamp | undefined
  /** `#fields` may hold others than those of its birth. */
  #owns_more: boolean
  /** Fields that are still the text they came as. One that is among `#fields` is not among these. */
  #source: ScannedObject | undefined
  /** A field that nobody has read yet, and its name. It is neither among `#fields` nor in `#source`, but where it was set. */
  #printed: PrintedFields | undefined
  #printed_name: string | undefined

  private constructor(fields: Fields, metadata: Fields, options: EventOptions, ordinal = '') {
    const { exact = holdsBigint(fields), origin, source } = options
    super(origin, ordinal)
    this.#fields = fields
    this.#metadata = metadata
    this.#exact = exact
    this.#source = source
    this.#owns_more = source === undefined
  }

  /**
   * An event from decoded data, with Logstash's rules of birth: `@metadata` goes to the metadata; an unreadable
   * `@timestamp` is replaced by `now` and kept as `_@timestamp` (tag `_timestampparsefailure`); `tags` that are not
   * text or a list of texts go to `_tags` (tag `_tagsparsefailure`).
   * The fields belong to the event from here on.
   */
  static from(fields: Fields, now: Timestamp, options: EventOptions = {}): Event {
    const { source } = options
    if (source !== undefined && !source.holdsReserved && isEmpty(fields)) {
      return new Event({ '@version': '1', '@timestamp': now }, {}, options)
    }
    const event = new Event(fields, {}, options)
    if (source?.holdsReserved === true) for (const name of RESERVED) event.#own(name)
    const metadata = member(fields, '@metadata')
    if (isFields(metadata)) event.#metadata = metadata
    if (metadata !== undefined) fields['@metadata'] = undefined
    if (member(fields, '@version') === undefined) fields['@version'] = '1'
    const tags = member(fields, 'tags')
    if (tags !== undefined && !areTags(tags)) {
      event.#own('_tags')
      if (event.#exact !== false) event.#exact = true
      fields['_tags'] = Array.isArray(tags) ? tags : [tags]
      fields['tags'] = ['_tagsparsefailure']
    }
    event.#birthTime(now)
    event.#owns_more = holdsOthers(fields)
    return event
  }

  /** Of the runtime: an event as it was kept on disk. It was born before, so the rules of birth do not apply again. */
  static restore(fields: Fields, metadata: Fields, { ordinal = '', ...options }: EventOptions & { ordinal?: string }): Event {
    const event = new Event(fields, metadata, options, ordinal)
    event.#owns_more = true
    event.#own(TIMESTAMP)
    const time = member(fields, TIMESTAMP)
    if (typeof time === 'string') fields[TIMESTAMP] = parseTimestamp(time) ?? time
    return event
  }

  #birthTime(now: Timestamp): void {
    const given = member(this.#fields, TIMESTAMP)
    if (given instanceof Timestamp) return
    const read = typeof given === 'string' ? parseTimestamp(given) : undefined
    this.#fields[TIMESTAMP] = read ?? now
    if (read === undefined && given !== undefined && given !== null) {
      this.#source?.cut(`_${TIMESTAMP}`)
      this.#fields[`_${TIMESTAMP}`] = given
      this.#exact = withExact(this.#exact, [`_${TIMESTAMP}`], given)
      this.tag('_timestampparsefailure')
    }
  }

  /** The value at `ref`, or `undefined` where there is none. A path through a scalar finds nothing. */
  get(ref: FieldRef): Value | undefined {
    const path = ref.path
    if (!ref.in_metadata) {
      const value = this.#top(path[0] ?? '')
      return path.length === 1 ? value : below(value, path, 1)
    }
    return path.length === 1 ? member(this.#metadata, path[0] ?? '') : below(this.#metadata, path, 0)
  }

  /** The value of a top-level field. A map or list that somebody gets is no text any more, for it may be changed. */
  #top(name: string): Value | undefined {
    if (this.#owns_more || isReserved(name)) {
      const own = member(this.#fields, name)
      if (own !== undefined) return own
    }
    if (this.#source === undefined) return undefined
    if (name === this.#printed_name) return this.#own(name)
    const value = this.#source.get(name)
    if (isHolder(value)) this.#ownAs(name, value)
    return value
  }

  /** Makes a top-level field one of our own, where it is still text: it can be changed then. Returns its value. */
  #own(name: string): Value | undefined {
    const printed = name === this.#printed_name ? this.#takePrinted() : undefined
    const value = printed === undefined ? this.#source?.take(name) : printed.read()
    if (value !== undefined) this.#ownAs(name, value)
    return value
  }

  #ownAs(name: string, value: Value): void {
    this.#source?.cut(name)
    this.#owns_more ||= !isReserved(name)
    setMember(this.#fields, name, value)
    this.#exact = withExact(this.#exact, [name], value)
  }

  /** Whether the value at `ref` is that text. */
  isText(ref: FieldRef, text: string): boolean {
    return this.#sourceOf(ref)?.isText(ref.path[0] ?? '', text) ?? this.get(ref) === text
  }

  /**
   * What `read` makes of the text at `ref`, given a longer one and where it stands in it, so that it need not be cut out.
   * `undefined` where the value is no text, or can only be got.
   */
  readText<T>(ref: FieldRef, read: (text: string, start: number, end: number) => T): T | undefined {
    return this.#sourceOf(ref)?.readText(ref.path[0] ?? '', read)
  }

  /** The text that holds the value at `ref`, if that is anywhere. */
  #sourceOf(ref: FieldRef): ScannedObject | undefined {
    const name = ref.path[0] ?? ''
    if (ref.in_metadata || ref.path.length > 1 || isReserved(name)) return undefined
    return this.#owns_more && member(this.#fields, name) !== undefined ? undefined : this.#source
  }

  /** Whether there is a value, also where it is the `null` of a map. That of a list is none. */
  has(ref: FieldRef): boolean {
    const value = this.get(ref)
    if (value !== null || ref.path.length < 2) return value !== undefined
    const holder = ref.path.slice(0, -1)
    return !Array.isArray(this.get({ text: ref.text, in_metadata: ref.in_metadata, path: holder }))
  }

  /**
   * Sets a value; missing maps on the way are made, a list is filled up with `null`.
   * @throws MillraceError FIELD_NOT_SETTABLE for a path through a scalar or null, an index over 10,000, tags that are
   *   not text or a list of texts (a path into them never is settable), a `@timestamp` that is not a timestamp
   */
  set(ref: FieldRef, value: Value): void {
    const path = ref.path
    if (value instanceof Timestamp && path.length === 1 && path[0] === TIMESTAMP && !ref.in_metadata) {
      // It is never text.
      this.#fields[TIMESTAMP] = value
      return
    }
    if (ref.in_metadata && path.length === 0) {
      if (!isFields(value)) throw notSettable(ref, 'only a map can be the metadata')
      this.#metadata = value
      return
    }
    if (!ref.in_metadata) {
      checkReserved(ref, value)
      this.#touch(path)
      this.#exact = withExact(this.#exact, path, value)
      this.#owns_more ||= !isReserved(path[0] ?? '')
    }
    let holder: Fields | Value[] = ref.in_metadata ? this.#metadata : this.#fields
    for (let depth = 0; depth < path.length - 1; depth++) holder = descend(holder, path[depth] ?? '', ref)
    put(holder, path[path.length - 1] ?? '', value, ref)
  }

  /** Sets a map that need not be made as long as nobody reads it. Throws as `set` does. */
  setPrinted(ref: FieldRef, printed: PrintedFields): void {
    const name = ref.path[0]
    if (this.#source === undefined || name === undefined || ref.path.length > 1 || ref.in_metadata || isReserved(name)) {
      return this.set(ref, printed.read())
    }
    this.#touch(ref.path)
    if (this.#owns_more && member(this.#fields, name) !== undefined) setMember(this.#fields, name, undefined)
    if (this.#printed_name !== undefined) this.#own(this.#printed_name)
    this.#printed = printed
    this.#printed_name = name
  }

  #takePrinted(): PrintedFields | undefined {
    const printed = this.#printed
    this.#printed = undefined
    this.#printed_name = undefined
    return printed
  }

  /**
   * Makes the members of an object fields, over those of the same name. False, and nothing happened, where one of its names
   * means something to an event or is no plain name: then each is to be set.
   */
  adopt(object: ScannedObject): boolean {
    if (object.holdsReserved || object.holdsBracketed) return false
    for (const name in this.#fields) {
      if (this.#fields[name] !== undefined && object.has(name)) setMember(this.#fields, name, undefined)
    }
    if (this.#printed_name !== undefined && object.has(this.#printed_name)) this.#takePrinted()
    if (this.#source !== undefined) object.putOver(this.#source)
    this.#source = object
    return true
  }

  /** To be called before what lies at a path is changed. */
  #touch(path: readonly string[]): void {
    const name = path[0] ?? ''
    if (path.length > 1) this.#own(name)
    else if (name === this.#printed_name) this.#takePrinted()
    else this.#source?.cut(name)
  }

  /** Removes a value and returns it. The elements of a list after a removed one move up. */
  remove(ref: FieldRef): Value | undefined {
    if (ref.path.length === 0) {
      const all = this.#metadata
      this.#metadata = {}
      return all
    }
    const last = ref.path[ref.path.length - 1] ?? ''
    if (!ref.in_metadata) this.#own(ref.path[0] ?? '')
    const holder = below(ref.in_metadata ? this.#metadata : this.#fields, ref.path.slice(0, -1), 0)
    if (Array.isArray(holder)) {
      const index = listIndex(last, holder.length)
      return index >= 0 && index < holder.length ? holder.splice(index, 1)[0] : undefined
    }
    if (!isFields(holder)) return undefined
    const value = member(holder, last)
    if (value !== undefined) setMember(holder, last, undefined)
    return value
  }

  /** Adds a tag once. */
  tag(name: string): void {
    this.#own('tags')
    const tags = member(this.#fields, 'tags')
    if (tags === undefined || tags === null) this.#fields['tags'] = [name]
    else if (Array.isArray(tags)) {
      if (!tags.includes(name)) tags.push(name)
    } else if (tags !== name) this.#fields['tags'] = [tags, name]
  }

  /** Also after the fields were let go. */
  get timestamp(): Timestamp | undefined {
    // It is never text: its birth has read it.
    const value = member(this.#fields, TIMESTAMP)
    return value instanceof Timestamp ? value : this.#time
  }

  /** The top-level fields in their order, metadata not among them; what is set meanwhile does not come again. */
  *entries(): IterableIterator<[string, Value]> {
    for (const name of this.names()) {
      const value = this.#top(name)
      if (value !== undefined) yield [name, value]
    }
  }

  /** Their names. No value is read for it. */
  names(): string[] {
    const names = this.#source?.names() ?? []
    if (this.#printed_name !== undefined) names.push(this.#printed_name)
    for (const name in this.#fields) if (this.#fields[name] !== undefined) names.push(name)
    return names
  }

  /** A deep copy with metadata and origin, as a new event of its own: its stable id gets a number appended. */
  clone(): Event {
    return this.#copy(this.nextOrdinal())
  }

  /** A deep copy for the pipeline at an address. Its stable id gets the address appended, so it is the same at every delivery. */
  copyFor(address: string): Event {
    return this.#copy(this.ordinalFor(address))
  }

  #copy(ordinal: string): Event {
    const options = { exact: this.#exact, origin: this.origin, source: this.#source?.copy() }
    const copy = new Event(cloneFields(this.#fields), cloneFields(this.#metadata), options, ordinal)
    copy.#owns_more = this.#owns_more
    copy.#printed = this.#printed
    copy.#printed_name = this.#printed_name
    copy.size_bytes = this.size_bytes
    return copy
  }

  /** Of the runtime: drops the fields, once every output has taken what it needs. Metadata, origin and time stay. */
  letFieldsGo(): void {
    this.#time = this.timestamp
    this.#fields = GONE
    this.#source = undefined
    this.#takePrinted()
  }

  get hasLetFieldsGo(): boolean {
    return this.#fields === GONE
  }

  /** Whether its document is put together of the text that it came as; else all of its fields are printed. */
  get keepsText(): boolean {
    return this.#source !== undefined
  }

  /** The document as JSON text, without metadata. Long and exactly written numbers may move behind the other fields. */
  toJsonText(): string {
    if (this.#source !== undefined) return this.#printed_bytes.toString()
    if (this.hasLetFieldsGo) throw new TypeError('the fields of an event were asked for after they were let go')
    return printFields(this.#fields, this.#exact)
  }

  /** Writes what `toJsonText` returns. */
  print(writer: TextWriter): void {
    const source = this.#source
    if (source === undefined) return writer.text(this.toJsonText())
    const start = writer.length
    try {
      this.#printAround(source, writer)
    } catch {
      // A bigint where none was expected.
      this.#exact = true
      writer.length = start
      this.#printAround(source, writer)
    }
  }

  #printAround(source: ScannedObject, writer: TextWriter): void {
    source.print(writer)
    if (this.#printed !== undefined) {
      writeName(writer, this.#printed_name ?? '')
      this.#printed.print(writer)
    }
    writeMembers(writer, this.#fields, this.#exact === true)
  }

  /** The document as JSON in UTF-8, without metadata. */
  toJson(): Buffer {
    return Buffer.from(this.#printed_bytes)
  }

  /** They hold until the next event is printed. */
  get #printed_bytes(): Buffer {
    scratch.clear()
    this.print(scratch)
    return scratch.written
  }

  /** The metadata as a map. */
  get metadata(): Fields {
    return this.get(METADATA_REF) as Fields
  }
}
