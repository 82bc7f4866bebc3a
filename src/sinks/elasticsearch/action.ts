import type { Outcome } from '../../core/contracts.ts'
import type { Event } from '../../core/event.ts'
import { compileTemplate, type Template } from '../../core/template.ts'

/** Where one document goes: its index, and the line that stands above the document in a bulk body, with its newline. */
export interface Action {
  readonly index: string
  readonly line: string
}

export interface ActionOptions {
  readonly index: Template
  readonly document_id: Template
  /** `undefined`: create where the id is derived by itself, else index. */
  readonly action: Template | undefined
  readonly routing: Template | undefined
  readonly pipeline: Template | undefined
}

/** Elasticsearch refuses a whole bulk request for one longer id. */
const ID_BYTES_MAX = 512
const INDEX_BYTES_MAX = 255
/** Index names are few (one a day and kind), but they come from event data, so what is remembered is bounded. */
const KNOWN_INDICES_MAX = 1_000

/**
 * Compiles the options into a function that says where an event goes, or why it cannot go anywhere (a rejection).
 *
 * Everything that Elasticsearch would refuse the whole request for is refused here, for that event alone.
 */
export function compileAction(options: ActionOptions): (event: Event) => Action | Outcome {
  const describe = describeIndices()
  const idOf = options.document_id.constant === 'auto' ? undefined : options.document_id
  const operationOf = options.action ?? compileTemplate(idOf === undefined ? 'create' : 'index')
  const { routing, pipeline } = options
  return (event) => {
    const operation = operationOf.format(event)
    if (operation !== 'create' && operation !== 'index') {
      return reject(`unsupported action "${cut(operation)}": expected index or create`)
    }
    const index = describe(options.index.format(event))
    if (typeof index === 'string') return reject(index)
    const id = idOf === undefined ? event.stableId() : idOf.format(event)
    if (id !== undefined) {
      const fault = idFault(id, idOf !== undefined)
      if (fault !== undefined) return reject(fault)
    }
    let rest = id === undefined ? '' : `,"_id":${JSON.stringify(id)}`
    if (routing !== undefined) {
      const value = routing.format(event)
      if (isUnresolved(value)) return reject(`unresolved routing: ${cut(value)}`)
      if (value !== '') rest += `,"routing":${JSON.stringify(value.toWellFormed())}`
    }
    if (pipeline !== undefined) {
      const value = pipeline.format(event)
      if (isUnresolved(value)) return reject(`unresolved pipeline: ${cut(value)}`)
      if (value !== '') rest += `,"pipeline":${JSON.stringify(value.toWellFormed())}`
    }
    return { index: index.name, line: `${operation === 'create' ? index.create : index.index}${rest}}}\n` }
  }
}

export function isAction(decided: Action | Outcome): decided is Action {
  return 'line' in decided
}

interface KnownIndex {
  readonly name: string
  /** The beginning of the action line, up to the index name's quote. */
  readonly create: string
  readonly index: string
}

/** Judges index names, each once. A text is what is wrong with the name. */
function describeIndices(): (name: string) => KnownIndex | string {
  const known = new Map<string, KnownIndex | string>()
  return (name) => {
    let described = known.get(name)
    if (described === undefined) {
      const quoted = JSON.stringify(name)
      described = indexNameFault(name) ?? { name, create: `{"create":{"_index":${quoted}`, index: `{"index":{"_index":${quoted}` }
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

function reject(reason: string): Outcome {
  return { kind: 'reject', reason }
}
