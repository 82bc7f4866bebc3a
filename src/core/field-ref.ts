import { MillraceError } from './errors.ts'

/**
 * The parsed form of `name`, `[name]` or `[a][b][0]`.
 *
 * `path` has at least one segment, except for `[@metadata]` as a whole, whose path is empty. Segments are
 * text; one that looks like an integer addresses a list's element where a list is found (negative: from its end).
 */
export interface FieldRef {
  readonly text: string
  readonly in_metadata: boolean
  readonly path: readonly string[]
}

const parsed = new Map<string, FieldRef>()
/** References also come from event data (keys of decoded JSON), so the memory for them is bounded. */
const PARSED_MAX = 10_000

/**
 * Reads a field reference as Logstash does: text without brackets is one top-level name (dots are plain
 * characters, and the empty name is one), else the whole text is bracketed segments; `[[a][b]]` is the same as `[a][b]`.
 * @throws MillraceError FIELD_REFERENCE_INVALID
 */
export function parseFieldRef(text: string): FieldRef {
  const known = parsed.get(text)
  if (known !== undefined) return known
  const segments = segmentsOf(text)
  if (segments === undefined) {
    throw new MillraceError('FIELD_REFERENCE_INVALID', `Invalid FieldReference: \`${text}\`: expected name or [outer][inner]`)
  }
  const in_metadata = segments[0] === '@metadata'
  const ref: FieldRef = { text, in_metadata, path: in_metadata ? segments.slice(1) : segments }
  if (parsed.size >= PARSED_MAX) parsed.clear()
  parsed.set(text, ref)
  return ref
}

/** The reference to what lies at that path, taken name by name: brackets in a name are plain characters. */
export function fieldRefOf(path: readonly string[]): FieldRef {
  return { text: path.map((name) => `[${name}]`).join(''), in_metadata: false, path }
}

/** Whether a text can be a field reference. */
export function isFieldRef(text: string): boolean {
  return parsed.has(text) || segmentsOf(text) !== undefined
}

function segmentsOf(text: string): string[] | undefined {
  if (!text.includes('[') && !text.includes(']')) return [text]
  const segments: string[] = []
  let depth = 0
  let start = -1
  for (let index = 0; index < text.length; index++) {
    const char = text[index]
    if (char === '[') {
      if (start >= 0 && index > start) return undefined
      depth++
      start = index + 1
    } else if (char === ']') {
      if (depth === 0) return undefined
      depth--
      if (start >= 0) {
        if (index === start) return undefined
        segments.push(text.slice(start, index))
      }
      start = -1
    } else if (start < 0) {
      return undefined
    }
  }
  return depth === 0 && segments.length > 0 ? segments : undefined
}
