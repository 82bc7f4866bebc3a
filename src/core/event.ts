import { below, descend, isHolder, listIndex, notSettable, put } from './field-path.ts'
import { type FieldRef, parseFieldRef } from './field-ref.ts'
import { printMembers } from './json/print-members.ts'
import type { ScannedObject } from './json/scanned-object.ts'
import { stringifyExact } from './json/stringify-exact.ts'
import type { Origin, Settlement } from './origin.ts'
import { areTags, checkReserved, RESERVED, TIMESTAMP } from './reserved-fields.ts'
import {
  cloneFields,
  type Exact,
  type Fields,
  holdsBigint,
  isFields,
  member,
  parseTimestamp,
  setMember,
  stringify,
  Timestamp,
  type Value,
  withExact,
} from './values.ts'

export { EVENT_STATES, type EventState, type Origin, type Settlement } from './origin.ts'

/** What the runtime hangs on an event to follow it. Components never look at it. */
export interface Tracking {
  /** Tells that a child was made of this event, which the runtime has to follow too. */
  readonly followed: true
}

/** In the ordinal of a copy, before the address of the pipeline that it was made for. */
const HOP = '>'

/** The reason of an event that was consumed. */
const CONSUMED = 'consumed'

const METADATA_REF = parseFieldRef('[@metadata]')

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
export class Event {
  readonly origin: Origin | undefined
  /** About how many bytes of memory the event stands for: its size on the wire. */
  size_bytes = 0
  /** Of the runtime. */
  tracking: Tracking | undefined
  #fields: Fields
  #metadata: Fields
  #exact: Exact
  /** Where the fields were let go. */
  #time: Timestamp | undefined
  /** Fields that are still the text they came as. One that is among `#fields` is not among these. */
  #source: ScannedObject | undefined
  /** JSON texts of fields that are known already. */
  #printed: Map<string, string> | undefined
  #cancelled: string | undefined
  #whenSettled: ((state: Settlement) => void)[] | undefined
  #ordinal = ''
  #children = 0

  private constructor(fields: Fields, metadata: Fields, { exact = holdsBigint(fields), origin, source }: EventOptions) {
    this.#fields = fields
    this.#metadata = metadata
    this.#exact = exact
    this.#source = source
    this.origin = origin
  }

  /**
   * An event from decoded data, with Logstash's rules of birth: `@metadata` goes to the metadata; an unreadable
   * `@timestamp` is replaced by `now` and kept as `_@timestamp` (tag `_timestampparsefailure`); `tags` that are not
   * text or a list of texts go to `_tags` (tag `_tagsparsefailure`).
   * The fields belong to the event from here on.
   */
  static from(fields: Fields, now: Timestamp, options: EventOptions = {}): Event {
    const event = new Event(fields, {}, options)
    if (event.#source?.holdsReserved === true) for (const name of RESERVED) event.#own(name)
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
    return event
  }

  /** Of the runtime: an event as it was kept on disk. It was born before, so the rules of birth do not apply again. */
  static restore(fields: Fields, metadata: Fields, { ordinal = '', ...options }: EventOptions & { ordinal?: string }): Event {
    const event = new Event(fields, metadata, options)
    event.#own(TIMESTAMP)
    const time = member(fields, TIMESTAMP)
    if (typeof time === 'string') fields[TIMESTAMP] = parseTimestamp(time) ?? time
    event.#ordinal = ordinal
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
    const own = member(this.#fields, name)
    if (own !== undefined || this.#source === undefined) return own
    const value = this.#source.get(name)
    return isHolder(value) ? this.#own(name) : value
  }

  /** Makes a top-level field one of our own, where it is still text: it can be changed then. Returns its value. */
  #own(name: string): Value | undefined {
    const value = this.#source?.take(name)
    if (value !== undefined) {
      setMember(this.#fields, name, value)
      this.#exact = withExact(this.#exact, [name], value)
    }
    return value
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
  set(ref: FieldRef, value: Value, printed?: string): void {
    const path = ref.path
    if (ref.in_metadata && path.length === 0) {
      if (!isFields(value)) throw notSettable(ref, 'only a map can be the metadata')
      this.#metadata = value
      return
    }
    if (!ref.in_metadata) {
      checkReserved(ref, value)
      this.#touch(path)
    }
    // A text that is known was printed before, so no bigint is inside.
    if (printed === undefined && !ref.in_metadata) this.#exact = withExact(this.#exact, path, value)
    let holder: Fields | Value[] = ref.in_metadata ? this.#metadata : this.#fields
    for (let depth = 0; depth < path.length - 1; depth++) holder = descend(holder, path[depth] ?? '', ref)
    put(holder, path[path.length - 1] ?? '', value, ref)
    if (printed !== undefined && path.length === 1 && !ref.in_metadata && this.#source !== undefined) {
      this.#printed ??= new Map()
      this.#printed.set(path[0] ?? '', printed)
    }
  }

  /**
   * Makes the members of an object fields, over those of the same name. False, and nothing happened, where one of its names
   * means something to an event or is no plain name: then each is to be set.
   */
  adopt(object: ScannedObject): boolean {
    if (object.holdsReserved || object.holdsBracketed) return false
    for (const name of Object.keys(this.#fields)) {
      if (this.#fields[name] === undefined || !object.has(name)) continue
      this.#printed?.delete(name)
      setMember(this.#fields, name, undefined)
    }
    if (this.#source !== undefined) object.putOver(this.#source)
    this.#source = object
    return true
  }

  /** To be called before what lies at a path is changed. */
  #touch(path: readonly string[]): void {
    const name = path[0] ?? ''
    this.#printed?.delete(name)
    if (path.length === 1) this.#source?.cut(name)
    else this.#own(name)
  }

  /** Removes a value and returns it. The elements of a list after a removed one move up. */
  remove(ref: FieldRef): Value | undefined {
    if (ref.path.length === 0) {
      const all = this.#metadata
      this.#metadata = {}
      return all
    }
    const last = ref.path[ref.path.length - 1] ?? ''
    if (!ref.in_metadata) {
      this.#printed?.delete(ref.path[0] ?? '')
      this.#own(ref.path[0] ?? '')
    }
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

  /** The top-level fields in their order, metadata not among them. */
  *entries(): IterableIterator<[string, Value]> {
    for (const name of this.#source?.names() ?? []) {
      const value = this.#top(name)
      // What is owned from here on comes below.
      if (value !== undefined && !isHolder(value)) yield [name, value]
    }
    for (const name of Object.keys(this.#fields)) {
      const value = this.#fields[name]
      if (value !== undefined) yield [name, value]
    }
  }

  /** Takes the event out of the pipeline. `reason` is counted in the ledger: a short constant, never data. */
  cancel(reason: string): void {
    this.#cancelled ??= reason
  }

  /** Takes out an event that others were made of and that lives on in them (split): no drop in the ledger. */
  consume(): void {
    this.cancel(CONSUMED)
  }

  /** Whether it was taken out because it lives on in others. */
  get isConsumed(): boolean {
    return this.#cancelled === CONSUMED
  }

  /** Why the event was taken out, or `undefined` while it goes on. */
  get cancelled(): string | undefined {
    return this.#cancelled
  }

  /** A deep copy with metadata and origin, as a new event of its own: its stable id gets a number appended. */
  clone(): Event {
    this.#children++
    return this.#copy(`${this.#ordinal}-${this.#children}`)
  }

  /** A deep copy for the pipeline at an address. Its stable id gets the address appended, so it is the same at every delivery. */
  copyFor(address: string): Event {
    return this.#copy(`${this.#ordinal}${HOP}${address}`)
  }

  /** How many pipelines it came through before the one that it is in. */
  get hops(): number {
    return this.#ordinal.split(HOP).length - 1
  }

  #copy(ordinal: string): Event {
    const { origin } = this
    const options = { exact: this.#exact, origin, source: this.#source?.copy() }
    const copy = new Event(cloneFields(this.#fields), cloneFields(this.#metadata), options)
    copy.size_bytes = this.size_bytes
    copy.#ordinal = ordinal
    return copy
  }

  /** What split, clone and other pipelines appended to its stable id. */
  get ordinal(): string {
    return this.#ordinal
  }

  /** The origin's stable id, with the numbers of the split or clone that made this event; `undefined` where the origin has none. */
  stableId(): string | undefined {
    const id = this.origin?.stableId()
    return id === undefined ? undefined : id + this.#ordinal
  }

  /**
   * Registers what is to be done once, when the event has its final state or is safe on our disk: derived metrics count
   * then, and only then. Its sender is told at the same moment, so that it does not come again.
   */
  whenSettled(action: (state: Settlement) => void): void {
    if (this.#whenSettled === undefined) this.#whenSettled = [action]
    else this.#whenSettled.push(action)
  }

  /** Of the runtime: runs what `whenSettled` registered, once. */
  settle(state: Settlement): void {
    const actions = this.#whenSettled
    if (actions === undefined) return
    this.#whenSettled = undefined
    for (const action of actions) {
      try {
        action(state)
      } catch {
        // What counts something may not decide about the event's end.
      }
    }
  }

  /** Of the runtime: drops the fields, once every output has taken what it needs. Metadata, origin and time stay. */
  letFieldsGo(): void {
    this.#time = this.timestamp
    this.#fields = GONE
    this.#source = undefined
  }

  get hasLetFieldsGo(): boolean {
    return this.#fields === GONE
  }

  /** The document as JSON text, without metadata. Long and exactly written numbers may move behind the other fields. */
  toJsonText(): string {
    const fields = this.#fields
    if (this.hasLetFieldsGo) throw new TypeError('the fields of an event were asked for after they were let go')
    if (this.#source !== undefined) return this.#printAround(this.#source)
    const time = fields[TIMESTAMP]
    // One object with a toJSON makes V8 leave its fast path for the whole document (measured: 3.7 us -> 5.4 us).
    if (time instanceof Timestamp) fields[TIMESTAMP] = time.toString()
    try {
      return this.#exact === false ? JSON.stringify(fields) : stringifyExact(fields, this.#exact)
    } catch {
      // A bigint where none was expected: slower, but no reason to lose the event.
      return stringify(fields, true)
    } finally {
      fields[TIMESTAMP] = time
    }
  }

  #printAround(source: ScannedObject): string {
    try {
      return printMembers(source.print(), this.#fields, this.#printed, this.#exact === true)
    } catch {
      // A bigint where none was expected.
      this.#exact = true
      return printMembers(source.print(), this.#fields, this.#printed, true)
    }
  }

  /** The document as JSON in UTF-8, without metadata. */
  toJson(): Buffer {
    return Buffer.from(this.toJsonText())
  }

  /** The metadata as a map. */
  get metadata(): Fields {
    return this.get(METADATA_REF) as Fields
  }
}
