import { LRUCache } from 'lru-cache'
import type { Context } from '../../core/context.ts'
import { parseJson } from '../../core/json/json.ts'
import { type Exact, type Fields, isFields, member, stringify, type Value } from '../../core/values.ts'
import { FieldBudget } from './field-budget.ts'
import { type Aside, type AsideForm, IGNORED_FIELDS, putAside, reshapeAside, takeBadNames, takePath } from './ignored-fields.ts'
import type { LiveMapping } from './live-mapping.ts'
import { type AsideReason, type RefusedField, readRefusedField, ruleFrom, someOf } from './refused-field.ts'

export interface TypeGuardSettings {
  /** Whether what Elasticsearch refuses is set aside at all. */
  readonly set_aside: boolean
  /** New fields that an index may get from here; 0: as many as Elasticsearch lets it. */
  readonly new_fields_max: number
  readonly readMapping: (index: string, signal: AbortSignal) => Promise<LiveMapping | undefined>
}

/** What was learned of an index. */
interface IndexState {
  readonly rules: Map<string, (value: Value) => boolean>
  /** How `_ignored_fields` is written there; known from the mapping. */
  form: AsideForm
  mapping: LiveMapping | undefined
  mapping_read_ms: number
  /** It takes no new fields any more. */
  is_full: boolean
}

/** Indices that have learned something: few, for one is there a day and kind. */
const INDICES_MAX = 100
const RULES_MAX = 200
/** Then it is learned again: the mapping may be another one. */
const LEARNED_MS = 10 * 60_000
const MAPPINGS_BYTES_MAX = 32 * 1024 * 1024
/** Documents of one bulk request that meet the same limit share one look at the mapping. */
const MAPPING_FRESH_MS = 1_000

/** These decide about where a document is and when it happened: it is not stored without. */
const NEVER_SET_ASIDE = new Set(['@timestamp', 'data_stream'])

function hasLearned(state: IndexState | undefined): state is IndexState {
  return state !== undefined && (state.rules.size > 0 || state.is_full)
}

/**
 * Keeps one field that Elasticsearch refuses from losing its document: the field becomes text in `_ignored_fields`. What is
 * refused for certain is learned, so that the next documents are sent without it from the start.
 */
export class TypeGuard {
  readonly #context: Context
  readonly #settings: TypeGuardSettings
  readonly #states = new LRUCache<string, IndexState>({ max: INDICES_MAX, ttl: LEARNED_MS })
  readonly #budget: FieldBudget | undefined
  #mapping_bytes = 0

  constructor(context: Context, settings: TypeGuardSettings) {
    this.#context = context
    this.#settings = settings
    this.#budget = settings.new_fields_max > 0 ? new FieldBudget(settings.new_fields_max) : undefined
  }

  /** Whether nothing is known against any document of that index. */
  lets(index: string): boolean {
    return this.#budget === undefined && !hasLearned(this.#learned(index))
  }

  /** The document as it goes into its first try: the same text where nothing is known against it. */
  fit(index: string, text: string): string {
    const state = this.#learned(index)
    const has_learned = hasLearned(state)
    if (!has_learned && this.#budget === undefined) return text
    const parsed = parseDocument(text)
    if (parsed === undefined) return text
    const { fields } = parsed
    const has_changed = [
      has_learned && this.#applyRules(fields, state),
      has_learned && state.is_full && this.#setAsideNew(fields, state),
      this.#budget !== undefined && this.#applyBudget(fields, index, this.#budget),
    ]
    return has_changed.includes(true) ? stringify(fields, parsed.exact) : text
  }

  #learned(index: string): IndexState | undefined {
    return this.#states.size === 0 ? undefined : this.#states.get(index)
  }

  /** A document without the field that it was refused for; `undefined` where the refusal names none that it has. */
  async cure(index: string, text: string, reason: string, signal: AbortSignal): Promise<string | undefined> {
    if (!this.#settings.set_aside) return undefined
    const refused = readRefusedField(reason)
    if (refused === undefined) return undefined
    const parsed = parseDocument(text)
    if (parsed === undefined) return undefined
    const { fields } = parsed
    const state = await this.#stateOf(index, refused, signal)
    if (!this.#setAside(fields, refused, state)) return undefined
    this.#context.log.warn(
      'elasticsearch_field_set_aside',
      `Elasticsearch refuses ${refused.path === undefined ? 'new fields' : `the field ${cut(refused.path)}`} in ${index} (${cut(reason)}): it is kept as text in ${IGNORED_FIELDS} and the document is stored. Correct the field in a filter, or its mapping`,
    )
    this.#applyRules(fields, state)
    return stringify(fields, parsed.exact)
  }

  #setAside(fields: Fields, refused: RefusedField, state: IndexState): boolean {
    const { path, why } = refused
    if (path === IGNORED_FIELDS || path?.startsWith(`${IGNORED_FIELDS}.`) === true) return reshape(fields, state)
    if (path !== undefined && NEVER_SET_ASIDE.has(path.split('.')[0] ?? '')) return false
    if (path === undefined && why === 'field_limit') {
      state.is_full = true
      return this.#setAsideNew(fields, state)
    }
    if (path === undefined) return this.#put(fields, takeBadNames(fields), why, state)
    const values = takePath(fields, path)
    if (values.length > 0 && state.rules.size < RULES_MAX && isMapped(state, refused)) {
      const rule = ruleFrom(refused, values)
      if (rule !== undefined) state.rules.set(`${why} ${path}`, rule)
    }
    return this.#put(fields, asideOf(path, values), why, state)
  }

  #applyRules(fields: Fields, state: IndexState): boolean {
    let has_changed = false
    for (const [key, rule] of state.rules) {
      const at = key.indexOf(' ')
      const path = key.slice(at + 1)
      const values = takePath(fields, path, (value) => someOf(value, rule))
      if (this.#put(fields, asideOf(path, values), key.slice(0, at) as AsideReason, state)) has_changed = true
    }
    return has_changed
  }

  /** A full index: what its mapping does not know goes aside. Without a look at the mapping nobody can tell what that is. */
  #setAsideNew(fields: Fields, state: IndexState): boolean {
    const { mapping } = state
    // The one field would be a new one too.
    if (mapping === undefined || !mapping.has(IGNORED_FIELDS)) return false
    return this.#putPaths(fields, mapping.newPaths(fields), 'field_limit', state)
  }

  #applyBudget(fields: Fields, index: string, budget: FieldBudget): boolean {
    return this.#putPaths(fields, budget.beyond(index, fields), 'field_budget', this.#states.get(index))
  }

  #putPaths(fields: Fields, paths: readonly string[], why: AsideReason, state: IndexState | undefined): boolean {
    const asides = paths
      .filter((path) => path !== IGNORED_FIELDS && !NEVER_SET_ASIDE.has(path))
      .flatMap((path) => asideOf(path, takePath(fields, path)))
    return this.#put(fields, asides, why, state)
  }

  #put(fields: Fields, asides: readonly Aside[], why: AsideReason, state: IndexState | undefined): boolean {
    if (asides.length === 0) return false
    const can_tag = state?.is_full !== true || state.mapping?.has('tags') !== false
    putAside(fields, asides, why, state?.form ?? 'list', can_tag)
    this.#context.metrics
      .counter('millrace_elasticsearch_fields_set_aside_total', 'Fields that were set aside as text in _ignored_fields.', {
        output: this.#context.id,
        reason: why,
      })
      .inc(asides.length)
    return true
  }

  async #stateOf(index: string, refused: RefusedField, signal: AbortSignal): Promise<IndexState> {
    const now = performance.now()
    const known = this.#states.get(index)
    const has_changed = known !== undefined && (refused.why === 'field_limit' || !isMapped(known, refused))
    if (known !== undefined && (!has_changed || now - known.mapping_read_ms < MAPPING_FRESH_MS)) return known
    const mapping = await this.#settings.readMapping(index, signal)
    const state: IndexState = known ?? { rules: new Map(), form: 'list', mapping, mapping_read_ms: now, is_full: false }
    state.form = mapping?.ignored_type === 'flattened' ? 'flattened' : 'list'
    state.mapping = mapping
    state.mapping_read_ms = now
    this.#boundMappings(mapping)
    if (known === undefined) this.#states.set(index, state)
    return state
  }

  #boundMappings(added: LiveMapping | undefined): void {
    this.#mapping_bytes += added?.size_bytes ?? 0
    if (this.#mapping_bytes <= MAPPINGS_BYTES_MAX) return
    this.#states.clear()
    this.#mapping_bytes = added?.size_bytes ?? 0
  }
}

/**
 * Whether the field is refused because of what the index holds: a document can contradict itself (`a` and `a.b`), from which
 * nothing is learned for others.
 */
function isMapped({ mapping }: IndexState, { path, kind }: RefusedField): boolean {
  return kind === 'all' || path === undefined || mapping?.has(path) !== false
}

function reshape(fields: Fields, state: IndexState): boolean {
  const present = member(fields, IGNORED_FIELDS)
  const is_flattened = isFields(present)
  if (present === undefined || is_flattened === (state.form === 'flattened')) return false
  reshapeAside(fields, state.form)
  return true
}

function parseDocument(text: string): { readonly fields: Fields; readonly exact: Exact } | undefined {
  try {
    const { value, exact } = parseJson(text)
    return isFields(value) ? { fields: value, exact } : undefined
  } catch {
    return undefined
  }
}

function asideOf(path: string, values: Value[]): Aside[] {
  const [first] = values
  if (first === undefined) return []
  return [{ path, value: values.length === 1 ? first : values }]
}

/** Names and reasons hold event data. */
function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200).toWellFormed()}…` : text.toWellFormed()
}
