import { isFields, isNumber, type Value } from '../../core/values.ts'

/** Why a field cannot be stored: a closed list, for the tag and the metric. */
const ASIDE_REASONS = ['mapping_conflict', 'field_limit', 'value_too_long', 'field_name', 'field_budget'] as const
export type AsideReason = (typeof ASIDE_REASONS)[number]

/** The field that a refusal speaks of. */
export interface RefusedField {
  readonly why: AsideReason
  /** Its full name as Elasticsearch writes it, `host.name`; none where the refusal does not tell it. */
  readonly path: string | undefined
  /** Whether it is values of one kind that are refused there. */
  readonly kind: 'objects' | 'no_objects' | 'all' | undefined
  /** How the field is mapped, where the refusal says so. */
  readonly type: string | undefined
}

interface Wording {
  readonly pattern: RegExp
  readonly why: AsideReason
  readonly kind?: RefusedField['kind']
}

/**
 * How Elasticsearch 7.14 to 9.5 say it, from the beginning of a reason: what follows may repeat values of the document.
 * Of the groups `path` is the field, `parent` what stands above it, `type` its mapping.
 */
const WORDINGS: readonly Wording[] = [
  { pattern: /^[Ff]ailed to parse field \[(?<path>.+?)\] of type \[(?<type>\w+)\]/, why: 'mapping_conflict' },
  { pattern: /^object mapping for \[(?<path>.+?)\] tried to parse field /, why: 'mapping_conflict', kind: 'no_objects' },
  {
    pattern:
      /^(?:failed to parse: )?Could not dynamically add mapping for field \[.+?\]\. Existing mapping for \[(?<path>.+?)\] must be/,
    why: 'mapping_conflict',
    kind: 'objects',
  },
  { pattern: /^can't merge a non.object mapping \[(?<path>.+?)\] with an? (?:object|nested) mapping/, why: 'mapping_conflict' },
  { pattern: /^can't merge an object mapping \[(?<path>.+?)\] with a non.object mapping/, why: 'mapping_conflict' },
  { pattern: /^mapper \[(?<path>.+?)\] (?:of different type|cannot be changed from type)/, why: 'mapping_conflict' },
  { pattern: /^Cannot write to a field alias \[(?<path>.+?)\]/, why: 'mapping_conflict', kind: 'all' },
  {
    pattern: /^mapping set to strict, dynamic introduction of \[(?<path>.+?)\] within \[(?<parent>.+?)\] is not allowed/,
    why: 'mapping_conflict',
    kind: 'all',
  },
  { pattern: /^Document contains at least one immense term in field="(?<path>.+?)"/, why: 'value_too_long' },
  { pattern: /^(?:failed to parse: )?Limit of total fields \[\d+\] has been exceeded/, why: 'field_limit' },
  {
    pattern: /^(?:failed to parse: )?Limit of mapping depth \[\d+\] has been exceeded due to object field \[(?<path>.+?)\]/,
    why: 'field_limit',
    kind: 'objects',
  },
  { pattern: /^(?:failed to parse: )?field name cannot (?:be an empty string|contain only )/i, why: 'field_name' },
  { pattern: /^(?:failed to parse: )?(?:object )?field (?:name )?starting or ending with a \[\.\]/, why: 'field_name' },
]

/** Where the fault stands in the document: `[1:12] `. */
const PLACE = /^\[-?\d+:-?\d+\] /
/** A keyword's own words for a term that Lucene does not take. */
const IMMENSE = /immense term|immense field|UTF8 encoding is longer/

/** The field that a refusal speaks of, `undefined` where it speaks of none. */
export function readRefusedField(reason: string): RefusedField | undefined {
  const text = reason.replace(PLACE, '')
  for (const { pattern, why, kind } of WORDINGS) {
    const groups = pattern.exec(text)?.groups
    if (groups === undefined && !pattern.test(text)) continue
    const { path, parent, type } = groups ?? {}
    const full = parent === undefined || parent === '_doc' ? path : `${parent}.${path}`
    // `_id`, `_source`: a document may not have a field of that name.
    if (type?.startsWith('_') === true) return { why: 'field_name', path: full, kind: 'all', type: undefined }
    if (why === 'mapping_conflict' && IMMENSE.test(text)) return { why: 'value_too_long', path: full, kind, type }
    return { why, path: full, kind, type }
  }
  return undefined
}

/** The longest term that Lucene takes. */
const TERM_BYTES_MAX = 32_766

const NUMERIC = new Set(['long', 'integer', 'short', 'byte', 'double', 'float', 'half_float', 'scaled_float', 'unsigned_long'])
const TEXTUAL = ['keyword', 'text', 'match_only_text', 'constant_keyword', 'wildcard']
const WITHOUT_OBJECTS = new Set([...NUMERIC, ...TEXTUAL, 'boolean', 'date', 'date_nanos', 'ip', 'version'])

/** What Java may read as a number: more than it does, so that nothing is set aside that would be stored. */
const NUMBER_LIKE = /^[\s\d.eEdDfF+-]*$/

/**
 * Which values are refused at that field for certain, from now on: learned from the values that were. `undefined` where it
 * takes Elasticsearch to tell (a date that it cannot read, a number beyond its range).
 */
export function ruleFrom(
  { why, kind, type = '' }: RefusedField,
  refused: readonly Value[],
): ((value: Value) => boolean) | undefined {
  if (kind === 'all') return () => true
  if (kind === 'no_objects') return (value) => !isFields(value)
  if (kind === 'objects') return isFields
  const rule =
    why === 'value_too_long' ? isTooLong : WITHOUT_OBJECTS.has(type) && someOf(refused, isFields) ? isFields : ruleOfType(type)
  return rule !== undefined && someOf(refused, rule) ? rule : undefined
}

function ruleOfType(type: string): ((value: Value) => boolean) | undefined {
  if (NUMERIC.has(type)) return (value) => typeof value === 'boolean' || (typeof value === 'string' && !NUMBER_LIKE.test(value))
  if (type === 'boolean') return (value) => isNumber(value) || (typeof value === 'string' && !/^(?:true|false)?$/.test(value))
  return undefined
}

function isTooLong(value: Value): boolean {
  return typeof value === 'string' && value.length * 3 > TERM_BYTES_MAX && Buffer.byteLength(value) > TERM_BYTES_MAX
}

/** Whether a value, or one in its list, is such a one. Null is stored everywhere. */
export function someOf(value: Value | readonly Value[], isSuch: (value: Value) => boolean): boolean {
  if (Array.isArray(value)) return value.some((item: Value) => someOf(item, isSuch))
  return value !== null && isSuch(value as Value)
}
