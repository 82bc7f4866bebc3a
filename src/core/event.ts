import { descend, listIndex, notSettable, put } from './field-path.ts'
import { type FieldRef, parseFieldRef } from './field-ref.ts'
import { SourceDocument, type SourceText } from './json/source-document.ts'
import { stringifyExact } from './json/stringify-exact.ts'
import {
  cloneFields,
  type Exact,
  type Fields,
  holdsBigint,
  isFields,
  member,
  parseTimestamp,
  SourceNumber,
  setMember,
  stringify,
  Timestamp,
  type Value,
} from './values.ts'

/** Where an event came from: enough for a person to find the line again, and for a stable document id. */
export interface Origin {
  /** The id of the input that received it. */
  readonly input: string
  /** For people: `exchange-logs/3@1205`, `10.0.0.7:51312 /var/log/a.log@311`. */
  describe(): string
  /** The same for the same line at every delivery and never for another one (promise 3); `undefined` where the input cannot tell. */
  stableId(): string | undefined
  /** How often it was read back from the dead letters. */
  readonly replays?: number
}

/** How an event ended, from the worst to the best. One of these, once, for every event (promise 1). */
export const EVENT_STATES = ['dead_lettered', 'dropped', 'unrouted', 'stored', 'already_there', 'consumed'] as const
export type EventState = (typeof EVENT_STATES)[number]

/** How an event ended for who made it: `buffered` is an event that is safe on our disk and has its end later. */
export type Settlement = EventState | 'buffered'

/** What the runtime hangs on an event to follow it. Components never look at it. */
export interface Tracking {
  /** Tells that a child was made of this event, which the runtime has to follow too. */
  readonly followed: true
}

/** In the ordinal of a copy, before the address of the pipeline that it was made for. */
const HOP = '>'

/** The reason of an event that was consumed. */
const CONSUMED = 'consumed'

/** With more exact numbers at the top level it is no gain to print them apart. */
const EXACT_NAMES_MAX = 64

const TIMESTAMP = '@timestamp'
const METADATA_REF = parseFieldRef('[@metadata]')

/** The fields of an event that let its own go. */
const GONE: Fields = Object.freeze({})

export interface EventOptions {
  /** Where exact numbers may be among the fields; looked for when left out. */
  readonly exact?: Exact
  readonly origin?: Origin | undefined
  /** The JSON text that the fields came from, where it can leave as it came. */
  readonly source?: SourceText | undefined
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
  /** As long as nothing that came in was changed. */
  #source: SourceDocument | undefined
  #cancelled: string | undefined
  #whenSettled: ((state: Settlement) => void)[] | undefined
  #ordinal = ''
  #children = 0

  private constructor(fields: Fields, metadata: Fields, exact: Exact, origin: Origin | undefined) {
    this.#fields = fields
    this.#metadata = metadata
    this.#exact = exact
    this.origin = origin
  }

  /**
   * An event from decoded data, with Logstash's rules of birth: `@metadata` goes to the metadata; an unreadable
   * `@timestamp` is replaced by `now` and kept as `_@timestamp` (tag `_timestampparsefailure`); `tags` that are not
   * text or a list of texts go to `_tags` (tag `_tagsparsefailure`).
   * The fields belong to the event from here on.
   */
  static from(fields: Fields, now: Timestamp, options: EventOptions = {}): Event {
    const metadata = member(fields, '@metadata')
    const event = new Event(fields, isFields(metadata) ? metadata : {}, options.exact ?? holdsBigint(fields), options.origin)
    if (options.source !== undefined) event.#source = new SourceDocument(options.source, fields)
    if (metadata !== undefined) {
      event.#touch('@metadata')
      fields['@metadata'] = undefined
    }
    if (member(fields, '@version') === undefined) {
      event.#touch('@version')
      fields['@version'] = '1'
    }
    const tags = member(fields, 'tags')
    if (tags !== undefined && !areTags(tags)) {
      event.#touch('tags')
      event.#touch('_tags')
      if (event.#exact !== false) event.#exact = true
      fields['_tags'] = Array.isArray(tags) ? tags : [tags]
      fields['tags'] = ['_tagsparsefailure']
    }
    event.#birthTime(now)
    return event
  }

  /** Of the runtime: an event as it was kept on disk. It was born before, so the rules of birth do not apply again. */
  static restore(fields: Fields, metadata: Fields, { ordinal = '', ...options }: EventOptions & { ordinal?: string }): Event {
    const event = new Event(fields, metadata, options.exact ?? holdsBigint(fields), options.origin)
    if (options.source !== undefined) event.#source = new SourceDocument(options.source, fields)
    const time = member(fields, TIMESTAMP)
    // It prints as it was printed, so the text that the fields came from is still true.
    if (typeof time === 'string') fields[TIMESTAMP] = parseTimestamp(time) ?? time
    event.#ordinal = ordinal
    return event
  }

  #birthTime(now: Timestamp): void {
    const given = member(this.#fields, TIMESTAMP)
    if (given instanceof Timestamp) return
    this.#touch(TIMESTAMP)
    const read = typeof given === 'string' ? parseTimestamp(given) : undefined
    this.#fields[TIMESTAMP] = read ?? now
    if (read === undefined && given !== undefined && given !== null) {
      this.#touch(`_${TIMESTAMP}`)
      this.#fields[`_${TIMESTAMP}`] = given
      if (this.#exact !== true) this.#noteExact([`_${TIMESTAMP}`], given)
      this.tag('_timestampparsefailure')
    }
  }

  /** The value at `ref`, or `undefined` where there is none. A path through a scalar finds nothing. */
  get(ref: FieldRef): Value | undefined {
    const path = ref.path
    const root = ref.in_metadata ? this.#metadata : this.#fields
    if (path.length === 1) return member(root, path[0] ?? '')
    let value: Value | undefined = root
    for (const segment of path) {
      if (Array.isArray(value)) value = value[listIndex(segment, value.length)]
      else if (isFields(value)) value = member(value, segment)
      else return undefined
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
      this.#checkReserved(ref, value)
      this.#touch(path[0] ?? '')
    }
    // A text that is known was printed before, so no bigint is inside.
    if (this.#exact !== true && printed === undefined && !ref.in_metadata) this.#noteExact(path, value)
    let holder: Fields | Value[] = ref.in_metadata ? this.#metadata : this.#fields
    for (let depth = 0; depth < path.length - 1; depth++) holder = descend(holder, path[depth] ?? '', ref)
    put(holder, path[path.length - 1] ?? '', value, ref)
    if (printed !== undefined && path.length === 1 && !ref.in_metadata) this.#source?.know(path[0] ?? '', printed)
  }

  /** To be called before a top-level field, or something in it, is changed. */
  #touch(name: string): void {
    if (this.#source?.allows(name, member(this.#fields, name) !== undefined) === false) this.#source = undefined
  }

  #noteExact(path: readonly string[], value: Value): void {
    if (typeof value === 'bigint' || value instanceof SourceNumber) {
      const [name] = path
      const names = typeof this.#exact === 'boolean' ? [] : this.#exact
      if (path.length > 1 || name === undefined || names.length >= EXACT_NAMES_MAX) this.#exact = true
      else if (!names.includes(name)) this.#exact = [...names, name]
    } else if (typeof value === 'object' && holdsBigint(value)) this.#exact = true
  }

  #checkReserved(ref: FieldRef, value: Value): void {
    const first = ref.path[0]
    if (first === 'tags' && (ref.path.length > 1 || !areTags(value))) {
      throw notSettable(ref, 'the reserved tags field takes text or a list of texts')
    }
    if (first === TIMESTAMP && (ref.path.length > 1 || !(value instanceof Timestamp))) {
      throw notSettable(ref, 'the reserved @timestamp field takes a timestamp')
    }
  }

  /** Removes a value and returns it. The elements of a list after a removed one move up. */
  remove(ref: FieldRef): Value | undefined {
    if (ref.path.length === 0) {
      const all = this.#metadata
      this.#metadata = {}
      return all
    }
    const last = ref.path[ref.path.length - 1] ?? ''
    if (!ref.in_metadata) this.#touch(ref.path[0] ?? '')
    let holder: Value | undefined = ref.in_metadata ? this.#metadata : this.#fields
    for (let depth = 0; depth < ref.path.length - 1; depth++) {
      const segment = ref.path[depth] ?? ''
      if (Array.isArray(holder)) holder = holder[listIndex(segment, holder.length)]
      else holder = isFields(holder) ? member(holder, segment) : undefined
    }
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
    this.#touch('tags')
    const tags = member(this.#fields, 'tags')
    if (tags === undefined || tags === null) this.#fields['tags'] = [name]
    else if (Array.isArray(tags)) {
      if (!tags.includes(name)) tags.push(name)
    } else if (tags !== name) this.#fields['tags'] = [tags, name]
  }

  get timestamp(): Timestamp | undefined {
    const value = member(this.#fields, TIMESTAMP)
    return value instanceof Timestamp ? value : undefined
  }

  /** The top-level fields in their order, metadata not among them. */
  *entries(): IterableIterator<[string, Value]> {
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
    const copy = new Event(cloneFields(this.#fields), cloneFields(this.#metadata), this.#exact, this.origin)
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

  /** Of the runtime: drops the fields, once every output has taken what it needs. Metadata and origin stay. */
  letFieldsGo(): void {
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
    if (this.#source !== undefined) return this.#source.print(fields, this.#exact === true)
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

  /** The document as JSON in UTF-8, without metadata. */
  toJson(): Buffer {
    return Buffer.from(this.toJsonText())
  }

  /** The metadata as a map. */
  get metadata(): Fields {
    return this.get(METADATA_REF) as Fields
  }
}

function areTags(value: Value): boolean {
  return typeof value === 'string' || (Array.isArray(value) && value.every((tag) => typeof tag === 'string'))
}
