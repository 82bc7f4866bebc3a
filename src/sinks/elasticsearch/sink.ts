import type { Context } from '../../core/context.ts'
import type { Batching, Outcome, SavedEvents, Sink, WriteResult } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import type { TextWriter } from '../../core/json/text-writer.ts'
import type { Template } from '../../core/template.ts'
import { type Action, indexNameFault, isAction, writeLine } from './action.ts'
import { Attempts } from './attempts.ts'
import { type Body, BodyPool } from './body.ts'
import { Bulk, type BulkResult } from './bulk.ts'
import { type ClientSettings, ElasticsearchClient } from './client.ts'
import { checkHealth, untilReady } from './health.ts'
import { readLiveMapping } from './live-mapping.ts'
import type { OwnRules } from './outcome.ts'
import { installRollover, type Rollover } from './rollover.ts'
import { SizeLimit } from './size-limit.ts'
import { installTemplate, type WantedTemplate } from './template.ts'
import { TypeGuard, type TypeGuardSettings } from './type-guard.ts'

export interface SinkSettings {
  readonly client: ClientSettings
  readonly batching: Batching
  readonly actionOf: (event: Event) => Action | Outcome
  /** For the books of events that get no action. */
  readonly index: Pick<Template, 'format'>
  readonly guard: Pick<TypeGuardSettings, 'set_aside' | 'new_fields_max'>
  /** How far `@timestamp` may be from now; `undefined`: any time. */
  readonly date_window_ms: number | undefined
  readonly own: OwnRules
  readonly parameters: { readonly [name: string]: string }
  readonly bulk_path: string
  readonly healthcheck_path: string
  readonly templates: readonly WantedTemplate[]
  readonly rollover: Rollover | undefined
}

/** A document that was rejected for one of its fields. */
interface RefusedDocument {
  readonly position: number
  readonly index: string
  /** Its action line. */
  readonly line: string
  readonly document: string
  readonly reason: string
}

const NEWLINE = 0x0a

/** A document that is refused for more fields than this, one after the other, goes to the dead letters. */
const TRIES_MAX = 10

interface Opened {
  readonly client: ElasticsearchClient
  readonly bulk: Bulk
}

/** Writes events as documents, a batch in one bulk request where it fits. */
export class ElasticsearchSink implements Sink {
  readonly batching: Batching
  readonly #settings: SinkSettings
  readonly #context: Context
  readonly #pool: BodyPool
  readonly #attempts = new Attempts()
  readonly #guard: TypeGuard
  #opened: Opened | undefined

  constructor(settings: SinkSettings, context: Context) {
    this.batching = settings.batching
    this.#settings = settings
    this.#context = context
    this.#pool = new BodyPool(settings.batching.concurrency)
    this.#guard = new TypeGuard(context, {
      ...settings.guard,
      readMapping: async (index, signal) => {
        const client = this.#opened?.client
        return client === undefined ? undefined : readLiveMapping(client, index, signal)
      },
    })
  }

  async open(signal: AbortSignal): Promise<void> {
    const { client: clientSettings, batching, parameters, bulk_path, own, healthcheck_path, templates, rollover } = this.#settings
    const client = await ElasticsearchClient.create(clientSettings)
    try {
      await untilReady(() => checkHealth(client, healthcheck_path, signal), this.#context, signal)
      // Before the first document: the mappings of an index are made from what it meets first.
      for (const template of templates) {
        await untilReady(() => installTemplate(client, template, this.#context, signal), this.#context, signal)
      }
      if (rollover !== undefined) {
        await untilReady(() => installRollover(client, rollover, this.#context, signal), this.#context, signal)
      }
    } catch (thrown) {
      await client.close()
      throw thrown
    }
    const bulk = new Bulk(client, this.#context, { limit: new SizeLimit(batching.bytes_max), parameters, path: bulk_path, own })
    this.#opened = { client, bulk }
  }

  get saved(): SavedEvents {
    return this.#attempts
  }

  prepare(event: Event): boolean {
    try {
      const action = this.#actionOf(event)
      // Of an update or a deletion the bytes do not tell what the event was.
      if (!isAction(action) || action.document !== undefined) return false
      const is_whole = this.#print(this.#attempts.begin(), action, event)
      this.#attempts.prepare(event, action.index)
      // The dead letters want the event as it was.
      return is_whole
    } catch {
      // `write` meets it again, and says what became of the event.
      return false
    }
  }

  async write(events: readonly Event[], signal: AbortSignal): Promise<WriteResult> {
    const bulk = this.#opened?.bulk
    if (bulk === undefined) throw new Error('write was called before open')
    const outcomes = Array.from<Outcome>({ length: events.length })
    const targets = Array.from<string | undefined>({ length: events.length })
    const body = this.#pool.take()
    /** Items that an earlier attempt may have stored. */
    const suspects = new Set<number>()
    const prepared: Event[] = []
    for (let at = 0; at < events.length; at++) {
      const event = events[at] as Event
      const attempt = this.#attempts.get(event)
      if (attempt !== undefined) {
        if (attempt.may_be_stored) suspects.add(body.count)
        body.addReady(at, attempt)
        prepared.push(event)
        continue
      }
      const refusal = this.#append(body, at, event)
      if (refusal === undefined) continue
      outcomes[at] = refusal
      targets[at] = this.#indexOf(event)
    }
    body.copyReady()
    // Not before: memory that is free may be given away at once, and where it could not be copied an event has nothing else.
    for (const event of prepared) this.#attempts.forget(event)
    if (body.count === 0) {
      this.#pool.giveBack(body)
      this.#count(outcomes)
      return { outcomes, targets }
    }
    const eventOf = (item: number) => events[body.positions[item] ?? 0] as Event
    const mayBeStored = (item: number) => suspects.has(item)
    const result = await bulk.send(body, mayBeStored, signal)
    const refused = refusedOf(body, result)
    this.#remember(body, result, eventOf, mayBeStored)
    const nothing_decided = body.count === events.length && result.outcomes.every((outcome) => outcome === undefined)
    if (result.failure !== undefined && nothing_decided) {
      signal.throwIfAborted()
      throw result.failure
    }
    const undecided: Outcome = { kind: 'retry', reason: result.failure?.message ?? 'it was not sent' }
    for (let item = 0; item < body.count; item++) {
      const position = body.positions[item] ?? 0
      outcomes[position] = result.outcomes[item] ?? undecided
      targets[position] = body.indices[item]
    }
    const has_overloaded = await this.#tryWithoutFields(bulk, refused, events, outcomes, signal)
    this.#count(outcomes)
    return {
      outcomes,
      targets,
      ...(result.too_large ? { tooLarge: true } : {}),
      ...(result.overloaded || has_overloaded ? { overloaded: true } : {}),
    }
  }

  /**
   * Sends documents that were rejected for a field again, without that field. What is rejected then too keeps its first
   * outcome: the reason and the document as they were. True where Elasticsearch is overloaded.
   */
  async #tryWithoutFields(
    bulk: Bulk,
    refused: readonly RefusedDocument[],
    events: readonly Event[],
    outcomes: Outcome[],
    signal: AbortSignal,
  ): Promise<boolean> {
    let overloaded = false
    let pending = refused
    for (let tries = 0; pending.length > 0 && tries < TRIES_MAX; tries++) {
      const body = this.#pool.take()
      for (const { position, index, line, document, reason } of pending) {
        const cured = await this.#guard.cure(index, document, reason, signal)
        if (cured === undefined) continue
        for (const text of [line, cured, '\n']) body.writer.text(text)
        body.close(position, index)
      }
      if (body.count === 0) {
        this.#pool.giveBack(body)
        break
      }
      const result = await bulk.send(body, () => false, signal)
      pending = refusedOf(body, result)
      this.#remember(
        body,
        result,
        (item) => events[body.positions[item] ?? 0] as Event,
        () => false,
      )
      if (result.overloaded) overloaded = true
      const undecided: Outcome = { kind: 'retry', reason: result.failure?.message ?? 'it was not sent' }
      for (const [item, position] of body.positions.entries()) {
        const outcome = result.outcomes[item] ?? undecided
        if (outcome.kind !== 'reject') outcomes[position] = outcome
      }
    }
    return overloaded
  }

  async close(): Promise<void> {
    await this.#opened?.client.close()
    this.#opened = undefined
  }

  #actionOf(event: Event): Action | Outcome {
    return this.#dateRefusal(event) ?? this.#settings.actionOf(event)
  }

  /** Where an event was to go; `undefined` where there cannot be such an index. */
  #indexOf(event: Event): string | undefined {
    try {
      const name = this.#settings.index.format(event)
      return indexNameFault(name) === undefined ? name : undefined
    } catch {
      return undefined
    }
  }

  #dateRefusal({ timestamp }: Event): Outcome | undefined {
    const { date_window_ms } = this.#settings
    if (date_window_ms === undefined || timestamp === undefined) return undefined
    if (Math.abs(this.#context.clock.now() - timestamp.epoch_ms) <= date_window_ms) return undefined
    return { kind: 'reject', reason: `its @timestamp ${timestamp.toString()} is outside of index_date_window` }
  }

  /** Writes an item: the action line and what stands below it. True where that is the whole document as it is. */
  #print(writer: TextWriter, action: Action, event: Event): boolean {
    const { index, document, is_partial } = action
    writeLine(writer, action)
    let is_whole = true
    if (document === undefined && this.#guard.lets(index)) event.print(writer)
    else {
      const whole = document ?? event.toJsonText()
      const fitting = is_partial === true ? whole : this.#guard.fit(index, whole)
      is_whole = fitting === whole
      writer.text(fitting)
    }
    writer.byte(NEWLINE)
    return is_whole
  }

  /** Adds an event to the body, or says why it cannot be a document. */
  #append(body: Body, position: number, event: Event): Outcome | undefined {
    try {
      const action = this.#actionOf(event)
      if (!isAction(action)) return action
      this.#print(body.writer, action, event)
      body.close(position, action.index)
      return undefined
    } catch (thrown) {
      body.takeBack()
      return { kind: 'reject', reason: `cannot be made a document: ${messageOf(thrown)}` }
    }
  }

  /** Keeps the bytes of what is to be tried again, and lets the body's buffer go where nothing needs it any more. */
  #remember(body: Body, result: BulkResult, eventOf: (item: number) => Event, mayBeStored: (item: number) => boolean): void {
    for (let item = 0; item < result.outcomes.length; item++) {
      const outcome = result.outcomes[item]
      if (outcome?.kind === 'stored') continue
      const event = eventOf(item)
      if (outcome?.kind === 'reject' && event.hasLetFieldsGo) {
        result.outcomes[item] = { ...outcome, document: body.documentAt(item) }
      }
      if (outcome !== undefined && outcome.kind !== 'retry' && outcome.kind !== 'park') continue
      const slice = body.slice(item, item + 1)
      // A body whose buffer goes back is overwritten; one that does not can be shared by its items.
      const buffer = result.done_with_body ? Buffer.from(slice) : slice
      const may_be_stored = mayBeStored(item) || result.uncertain.has(item)
      const piece = { buffer, start: 0, end: buffer.length }
      this.#attempts.remember(event, { index: body.indices[item] ?? '', piece, may_be_stored })
    }
    if (result.done_with_body) this.#pool.giveBack(body)
  }

  #count(outcomes: readonly Outcome[]): void {
    const counts = new Map<Outcome['kind'], number>()
    for (const { kind } of outcomes) counts.set(kind, (counts.get(kind) ?? 0) + 1)
    for (const [outcome, count] of counts) {
      this.#context.metrics
        .counter('millrace_elasticsearch_items_total', 'Documents by what became of their attempts.', {
          output: this.#context.id,
          outcome,
        })
        .inc(count)
    }
  }
}

/** What of a body was rejected for a field: copies, for the body's buffer is used again. */
function refusedOf(body: Body, { refused_fields }: BulkResult): RefusedDocument[] {
  return [...refused_fields].map(([item, reason]) => ({
    position: body.positions[item] ?? 0,
    index: body.indices[item] ?? '',
    line: body.lineAt(item),
    document: body.documentAt(item),
    reason,
  }))
}
