import type { Outcome } from '../../core/contracts.ts'
import type { Event } from '../../core/event.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import type { TextWriter } from '../../core/json/text-writer.ts'
import { compileTemplate, type Template } from '../../core/template.ts'
import { type Fields, isFields, member } from '../../core/values.ts'
import { type DocumentOptions, mayHaveOwnText, OPERATIONS, type Operation, textOf } from './document.ts'

/** Where one document goes, and what stands in a bulk body for it, apart from the newline at the end. */
export interface Action {
  readonly index: string
  /** The line above the document, with its newline; for a deletion, which has no document, without. */
  readonly line: string
  /** The line as bytes, where it is that of many events: up to the id, where there is one. */
  readonly line_bytes?: Buffer
  /** Plain letters, behind `line_bytes`. */
  readonly plain_id?: string
  /** What stands below, where it is not the event's document as it is. */
  readonly document?: string
  /** What stands below is no whole document: an update or a deletion. */
  readonly is_partial?: boolean
}

export interface ActionOptions extends DocumentOptions {
  readonly index: Pick<Template, 'format'>
  readonly document_id: Template
  /** `undefined`: create where the id is derived by itself, else index. */
  readonly action: Template | undefined
  readonly routing: Template | undefined
  readonly pipeline: Template | undefined
  readonly version?: Template | undefined
  readonly version_type?: string | undefined
  readonly retry_on_conflict?: number
}

/** Elasticsearch refuses a whole bulk request for one longer id. */
const ID_BYTES_MAX = 512
const INDEX_BYTES_MAX = 255
/** Index names are few (one a day and kind), but they come from event data, so what is remembered is bounded. */
const KNOWN_INDICES_MAX = 1_000

/** What an ingest pipeline that ran in a filter wants of its document; used where an option is not set. */
const INGEST_DOCUMENT = parseFieldRef('[@metadata][_ingest_document]')
const NOTHING: Fields = {}

/** A reason to refuse an event. */
class Refusal extends Error {}

/**
 * Compiles the options into a function that says where an event goes, or why it cannot go anywhere (a rejection).
 *
 * Everything that Elasticsearch would refuse the whole request for is refused here, for that event alone.
 */
export function compileAction(options: ActionOptions): (event: Event) => Action | Outcome {
  const describe = describeIndices()
  const { constant } = options.document_id
  const is_stable = constant === 'auto'
  const idOf = isChosenByUs(constant) ? undefined : options.document_id
  const preset = is_stable && options.version === undefined ? 'create' : 'index'
  const operationOf = options.action ?? compileTemplate(preset)
  const fixedOperation = OPERATIONS.find((operation) => operation === operationOf.constant)
  const is_bare = holdsNoDetails(options)
  const has_own_text = fixedOperation === undefined || mayHaveOwnText(options, fixedOperation)
  return (event) => {
    try {
      const operation = fixedOperation ?? readOperation(operationOf.format(event))
      const wanted = event.get(INGEST_DOCUMENT)
      const ingest = isFields(wanted) ? wanted : NOTHING
      const index = describe(options.index.format(event))
      if (typeof index === 'string') throw new Refusal(index)
      const id =
        idOf === undefined ? (textIn(ingest, 'id') ?? (is_stable ? derivedId(event, operation) : undefined)) : idOf.format(event)
      const is_common = is_bare && !has_own_text && ingest === NOTHING
      if (is_common && id === undefined) return (index.bare ??= bareAction(index, operation))
      if (is_common && id !== undefined && isPlain(id)) return identifiedAction(index, operation, id)
      const more = is_bare && ingest === NOTHING ? '' : details(options, event, operation, ingest)
      const rest = idPart(id, idOf !== undefined, operation) + more
      const line = `{"${operation}":${index.beginning}${rest}}}`
      if (operation === 'delete') return { index: index.name, line, document: '', is_partial: true }
      const document = textOf(options, operation, event)
      // Most are bare: a spread would cost as much as the line.
      if (document === undefined) return { index: index.name, line: `${line}\n` }
      return { index: index.name, line: `${line}\n`, document, is_partial: operation === 'update' }
    } catch (thrown) {
      if (thrown instanceof Refusal) return { kind: 'reject', reason: thrown.message }
      throw thrown
    }
  }
}

/** An update or a deletion of a document that nobody else can know would do nothing. */
function derivedId(event: Event, operation: Operation): string | undefined {
  return operation === 'create' || operation === 'index' ? event.lastingId() : event.stableId()
}

/** Whether a `document_id` is no id and no template of one, but says whether there is to be any. */
export function isChosenByUs(document_id: string | undefined): boolean {
  return document_id === 'auto' || document_id === 'none'
}

export function isAction(decided: Action | Outcome): decided is Action {
  return 'line' in decided
}

function readOperation(text: string): Operation {
  const found = OPERATIONS.find((operation) => operation === text)
  if (found === undefined) throw new Refusal(`unsupported action "${cut(text)}": expected ${OPERATIONS.join(', ')}`)
  return found
}

function idPart(id: string | undefined, from_template: boolean, operation: Operation): string {
  if (id === undefined) {
    if (operation === 'create' || operation === 'index') return ''
    throw new Refusal(`the action ${operation} needs a document id`)
  }
  const fault = idFault(id, from_template)
  if (fault !== undefined) throw new Refusal(fault)
  return `,"_id":${JSON.stringify(id)}`
}

/** Whether an action line holds nothing beside index and id, as long as no ingest pipeline wants something. */
function holdsNoDetails({ parent, routing, pipeline, version, retry_on_conflict = 0 }: ActionOptions): boolean {
  return [parent, routing, pipeline, version].every((option) => option === undefined) && retry_on_conflict === 0
}

/** What an action line holds beside index and id. */
function details(options: ActionOptions, event: Event, operation: Operation, ingest: Fields): string {
  let rest = ''
  const add = (name: string, template: Template | undefined, preset: string | undefined): void => {
    const value = template === undefined ? preset : template.format(event)
    if (value === undefined || value === '') return
    if (isUnresolved(value)) throw new Refusal(`unresolved ${name}: ${cut(value)}`)
    rest += `,"${name}":${JSON.stringify(value.toWellFormed())}`
  }
  add('routing', options.parent ?? options.routing, textIn(ingest, 'routing'))
  if (operation === 'create' || operation === 'index') add('pipeline', options.pipeline, textIn(ingest, 'pipeline'))
  const takes_version = operation === 'index' || operation === 'delete'
  if (options.version !== undefined && !takes_version) throw new Refusal(`the action ${operation} takes no version`)
  const version = options.version === undefined ? textIn(ingest, 'version') : options.version.format(event)
  if (version !== undefined && version !== '' && takes_version) {
    if (!/^\d{1,18}$/.test(version)) throw new Refusal(`expected a whole number as version, got ${cut(version)}`)
    const version_type = options.version_type ?? textIn(ingest, 'version_type')
    rest += `,"version":${version}${version_type === undefined ? '' : `,"version_type":${JSON.stringify(version_type)}`}`
  }
  const { retry_on_conflict = 0 } = options
  if (operation === 'update' && retry_on_conflict > 0) rest += `,"retry_on_conflict":${retry_on_conflict}`
  return rest
}

function textIn(fields: Fields, name: string): string | undefined {
  const value = member(fields, name)
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' ? String(value) : undefined
}

interface KnownIndex {
  readonly name: string
  /** `{"_index":"logs"` */
  readonly beginning: string
  /** The action of an event that needs no more than this. */
  bare?: Action
  /** What stands in front of an id. */
  before_id?: Buffer
}

function bareAction({ name, beginning }: KnownIndex, operation: Operation): Action {
  const line = `{"${operation}":${beginning}}}\n`
  return { index: name, line, line_bytes: Buffer.from(line) }
}

const BEHIND_ID = '"}}\n'
const BEHIND_ID_BYTES = Buffer.from(BEHIND_ID)

/** Of an event with an id and nothing else: most are that, so its line is no text unless somebody asks. */
class IdentifiedAction implements Action {
  readonly index: string
  readonly line_bytes: Buffer
  readonly plain_id: string

  constructor(index: string, line_bytes: Buffer, plain_id: string) {
    this.index = index
    this.line_bytes = line_bytes
    this.plain_id = plain_id
  }

  get line(): string {
    return this.line_bytes.toString() + this.plain_id + BEHIND_ID
  }
}

function identifiedAction(known: KnownIndex, operation: Operation, plain_id: string): Action {
  known.before_id ??= Buffer.from(`{"${operation}":${known.beginning},"_id":"`)
  return new IdentifiedAction(known.name, known.before_id, plain_id)
}

/** Whether an id is neither empty nor too long, and of letters that JSON prints as they are, with no `%` that begins a placeholder. */
function isPlain(id: string): boolean {
  if (id.length === 0 || id.length > ID_BYTES_MAX) return false
  for (let index = 0; index < id.length; index++) {
    const code = id.charCodeAt(index)
    if (code <= 0x20 || code >= 0x7f || code === 0x22 || code === 0x25 || code === 0x5c) return false
  }
  return true
}

/** Writes the line above a document. */
export function writeLine(writer: TextWriter, { line, line_bytes, plain_id }: Action): void {
  if (line_bytes === undefined) return writer.text(line)
  writer.ready(line_bytes)
  if (plain_id === undefined) return
  writer.ascii(plain_id)
  writer.ready(BEHIND_ID_BYTES)
}

/** Judges index names, each once. A text is what is wrong with the name. */
function describeIndices(): (name: string) => KnownIndex | string {
  const known = new Map<string, KnownIndex | string>()
  return (name) => {
    let described = known.get(name)
    if (described === undefined) {
      described = indexNameFault(name) ?? { name, beginning: `{"_index":${JSON.stringify(name)}` }
      if (known.size >= KNOWN_INDICES_MAX) known.clear()
      known.set(name, described)
    }
    return described
  }
}

/** Why Elasticsearch would refuse this index name, or `undefined`. */
export function indexNameFault(name: string): string | undefined {
  if (isUnresolved(name)) return `unresolved index name: ${cut(name)}`
  const refused = (why: string) => `illegal index name "${cut(name)}": ${why}`
  if (name === '') return refused('it is empty')
  if (name === '.' || name === '..') return refused('it may not be . or ..')
  if (/^[-_+]/.test(name)) return refused('it may not start with - _ or +')
  if (name !== name.toLowerCase()) return refused('it must be lower case')
  const illegal = /[\\/*?"<>| ,#:]|\p{Cc}/u.exec(name)
  if (illegal !== null) return refused(`it may not hold ${JSON.stringify(illegal[0])}`)
  if (!name.isWellFormed()) return refused('it is not valid Unicode')
  if (Buffer.byteLength(name) > INDEX_BYTES_MAX) return refused(`it is longer than ${INDEX_BYTES_MAX} bytes`)
  return undefined
}

function idFault(id: string, from_template: boolean): string | undefined {
  if (id === '') return 'the document id is empty'
  if (from_template && isUnresolved(id)) return `unresolved document id: ${cut(id)}`
  // A character takes at most three bytes, so most ids need not be measured.
  if (id.length * 3 > ID_BYTES_MAX && Buffer.byteLength(id) > ID_BYTES_MAX) {
    return `the document id is longer than ${ID_BYTES_MAX} bytes: ${cut(id)}`
  }
  return id.isWellFormed() ? undefined : 'the document id is not valid Unicode'
}

function isUnresolved(text: string): boolean {
  return text.includes('%{')
}

/** Names in messages are cut: they come from event data. */
function cut(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100).toWellFormed()}…` : text.toWellFormed()
}
