import type { Context } from './context.ts'
import type { Event, Origin } from './event.ts'
import type { ScannedObject } from './json/scanned-object.ts'
import type { ComponentNode } from './plan.ts'
import type { Exact, Fields } from './values.ts'

/** Changes one event in place: synchronous; tags bad data instead of throwing; may cancel the event or emit others. */
export type Step = (event: Event, emit: (child: Event) => void) => void

/** What a filter that needs more than a step is made of. */
export interface FilterParts {
  /** Where `prepare` is there, it has run before for the batch that the event is in. */
  readonly step: Step
  /**
   * Computes for the events of a batch that reached the filter what `step` then applies, and changes none of them. It may
   * wait (dns) or be interrupted (regular expressions under a time limit). Its results are the filter's own affair.
   * Throwing dead-letters these events.
   */
  readonly prepare?: (events: readonly Event[], signal: AbortSignal) => void | Promise<void>
  readonly flush?: Flush
  /** Once, when the pipeline has ended. */
  readonly close?: () => void | Promise<void>
}

/**
 * For filters that hold state: called about every second, and once at the end (`final`), never while a batch is on its way.
 * What it emits goes on behind the filter.
 */
export type Flush = (now_ms: number, emit: (event: Event) => void, final: boolean) => void

/** Filters get one thing more: what the common options (add_field, remove_field, add_tag, remove_tag) do on success. */
export interface FilterContext extends Context {
  /** To be called once for an event that the filter handled successfully. */
  matched(event: Event): void
}

/** What became of a batch that a source handed over. `abandoned`: the program leaves, do not acknowledge. */
export type Settled = 'stored' | 'abandoned'

/** Hands events on, at most one batch. Resolves once there is room for more: that is the backpressure. */
export type Deliver = (events: Event[]) => Promise<{ readonly settled: Promise<Settled> }>

/** An address that a component listens on. Port 0: any free one. */
export interface Binding {
  readonly protocol: 'tcp' | 'udp'
  readonly host: string
  readonly port: number
}

/** One input at work. */
export interface Source {
  /** Several workers may each run one, and what comes is spread over them. Else one alone does. */
  readonly spreads?: boolean
  /**
   * Where it will listen, which it tells `context.addresses` once it can be reached there. A reload finds out whether it can before
   * anything is stopped, and hands over what is open already.
   */
  readonly bindings?: readonly Binding[]
  /**
   * Reads until `stop` aborts or the input ends. `stop`: read no more, but keep acknowledging what settles.
   * `abandon`: the deadline has come, leave. Acknowledge upstream only what settled as `stored`.
   * @throws MillraceError INPUT_CANNOT_START when it cannot even begin (port in use, file unreadable)
   */
  run(deliver: Deliver, stop: AbortSignal, abandon: AbortSignal): Promise<void>
}

export interface InputContext extends Context {
  /** A decoder of the input's codec: one for each stream, for it may keep what is incomplete. */
  createDecoder(): Decoder
  /**
   * Makes decoders of another codec that the options name; to be called while the input is created.
   * `undefined`: it cannot be made, which was told at its place.
   */
  compileCodec(node: ComponentNode): (() => Decoder) | undefined
  /** An event of this input from decoded data: born by Logstash's rules, with the input's type, tags and add_field. */
  createEvent(decoded: Decoded, origin: Origin | undefined, size_bytes: number): Event
  /** The input's type, tags and add_field, for an event that was not made by `createEvent`. */
  decorate(event: Event): void
  /**
   * Keeps what cannot become an event (too large, undecodable) among the dead letters with its first 64 kB and its
   * size; counted as received and dead-lettered. Resolves once it is fsynced.
   * @param size_bytes the real size, where `raw` is only its beginning
   */
  deadLetter(raw: Buffer, reason: string, origin: Origin | undefined, size_bytes?: number): Promise<void>
  readonly max_event_bytes: number
  /** What events may take in this process at once, over all inputs; what an input holds before that should be a part of it. */
  readonly max_in_flight_bytes: number
}

/** Fields that a codec found, and where exact numbers may be among them. */
export interface Decoded {
  readonly fields: Fields
  readonly exact: Exact
  /** Further fields, which are still the text they came as: `ownField` and `wholeFields` read them. None of them is in `fields`. */
  readonly source?: ScannedObject | undefined
  /** What it is in place of what the codec reads, and why: `no JSON object: ...`. It has the codec's failure tag then. */
  readonly failure?: string
  /** How many bytes came for it, where they did not all come last. */
  readonly size_bytes?: number
}

export interface Decoder {
  /** Finds the ends of messages in a byte stream by itself. Else whoever reads a stream cuts it into lines first. */
  readonly splits_stream?: boolean
  /** Something that came waits for what follows: whoever notes how far it has read must not go past the first piece of that. */
  readonly holds?: boolean
  /** Memory that data takes which is not complete. */
  readonly pending_bytes?: number
  /** What waits is complete when nothing came for so long: whoever feeds the decoder calls `flush` then. */
  readonly flush_after_ms?: number
  /** A text becomes one event with this text as its `message`, and nothing else. */
  readonly keeps_text?: boolean
  /** Takes the next piece of a stream, or one whole message, and returns what is complete. Bad data becomes a tagged event. */
  decode(piece: Buffer | string): Decoded[]
  /** The end of the stream, or of a part of it: what was left over. */
  flush(): Decoded[]
}

export interface Encoder {
  encode(event: Event): string
}

/** What became of one event in one output. */
export type Outcome =
  | { readonly kind: 'stored' }
  | { readonly kind: 'already_there' }
  /** It lives on in its copies, which have their end in other pipelines. */
  | { readonly kind: 'consumed' }
  /** Try again, not before `after_ms` where given. */
  | { readonly kind: 'retry'; readonly after_ms?: number; readonly reason: string }
  /** Can never be stored: to the dead letters. With the document, where `prepare` took it. */
  | { readonly kind: 'reject'; readonly reason: string; readonly document?: string }
  /** Is not to be stored, by configuration. */
  | { readonly kind: 'drop'; readonly reason: string }
  /** Cannot be stored now, and neither can others with this key; the rest can. */
  | { readonly kind: 'park'; readonly key: string; readonly reason: string }

export const STORED: Outcome = Object.freeze({ kind: 'stored' })
export const ALREADY_THERE: Outcome = Object.freeze({ kind: 'already_there' })

export interface WriteResult {
  /** One for each event, by position. */
  readonly outcomes: readonly Outcome[]
  /** Where each event went or was to go (an index), by position, for the books: where the output knows. */
  readonly targets?: readonly (string | undefined)[]
  /** The batch was too large for the other side: smaller ones from now on. */
  readonly tooLarge?: boolean
  /** The other side is overloaded: slow down. */
  readonly overloaded?: boolean
}

/** One output at work. */
export interface Sink {
  /** How the runtime cuts batches for it. */
  readonly batching?: Batching
  /** There can be one of it in the program, so its pipeline runs in one worker. */
  readonly is_single?: boolean
  /** Where it will listen. */
  readonly bindings?: readonly Binding[]
  /** Waits until the other side can be written to, or refuses (MillraceError OUTPUT_CANNOT_START: configuration, never absence). */
  open(signal: AbortSignal): Promise<void>
  /**
   * Takes of an event that was handed to the output what every later `write` of it will need, so that its fields need
   * not be held until then: they are three times their bytes. False where they still are needed.
   */
  prepare?(event: Event): boolean
  /** Of one that lets fields go (`prepare`): how its events get to the disk and back. */
  readonly saved?: SavedEvents
  /** One attempt, no retry inside: one outcome per event, by position. Throwing means that all may be tried again. */
  write(events: readonly Event[], signal: AbortSignal): Promise<WriteResult>
  close(): Promise<void>
}

/** What an output keeps of events whose fields are gone, as bytes that outlive the program. */
export interface SavedEvents {
  /** What `write` would send: index and id stay what they are. */
  save(event: Event): Buffer | undefined
  /** Takes back what `save` gave, in this run of the program or a later one; false where it is something else. */
  restore(event: Event, bytes: Buffer): boolean
  /** The event will not be written. */
  forget(event: Event): void
}

export interface Batching {
  readonly events_max: number
  readonly bytes_max: number
  /** Writes on their way at the same time. */
  readonly concurrency: number
  /** Waits between tries double from the first (default 200 ms) to the longest one (default 30 s). */
  readonly retry_first_ms?: number
  readonly retry_max_ms?: number
}

export interface OutputContext extends Context {
  /** Of the output's codec. */
  readonly encoder: Encoder
}
