import { type Fields, isFields, member, type Value } from '../../core/values.ts'
import type { ElasticsearchClient } from './client.ts'
import { IGNORED_FIELDS } from './ignored-fields.ts'

/** What an index knows of its fields, as its mapping says. */
export interface LiveMapping {
  /** How `_ignored_fields` is mapped there. */
  readonly ignored_type: string | undefined
  /** About its memory. */
  readonly size_bytes: number
  /** Takes out of a document what would be a new field there: its topmost new parts. */
  newPaths(fields: Fields): string[]
  has(path: string): boolean
}

interface Node {
  readonly [name: string]: unknown
}

/** A mapping near this holds tens of thousands of fields. */
const MAPPING_LENGTH_MAX = 4 * 1024 * 1024

/**
 * Asks for the mapping of an index, of the newest one behind an alias or data stream. `undefined` where the server does not
 * say, for lack of rights (view_index_metadata) or because it is gone.
 */
export async function readLiveMapping(
  client: ElasticsearchClient,
  index: string,
  signal: AbortSignal,
): Promise<LiveMapping | undefined> {
  try {
    const answer = await client.request({ method: 'GET', path: `/${encodeURIComponent(index)}/_mapping` }, signal)
    if (answer.status !== 200 || answer.text.length > MAPPING_LENGTH_MAX) return undefined
    return parseMapping(answer.text)
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

/** `{"logs-000002":{"mappings":{"dynamic":"true","properties":{"host":{"properties":{"name":{"type":"keyword"}}}}}}}` */
export function parseMapping(text: string): LiveMapping | undefined {
  const indices: unknown = JSON.parse(text)
  if (!isNode(indices)) return undefined
  const newest = Object.keys(indices).sort().at(-1)
  const found = newest === undefined ? undefined : own(indices, newest)
  const root = isNode(found) ? own(found, 'mappings') : undefined
  if (!isNode(root)) return undefined
  const ignored = nodeAt(root, IGNORED_FIELDS)
  const ignored_type = ignored === undefined ? undefined : own(ignored, 'type')
  return {
    ignored_type: typeof ignored_type === 'string' ? ignored_type : undefined,
    size_bytes: text.length * 4,
    newPaths: (fields) => newPathsOf(root, fields),
    has: (path) => nodeAt(root, path) !== undefined,
  }
}

function newPathsOf(root: Node, fields: Fields): string[] {
  const found = new Set<string>()
  const visit = (value: Value | undefined, node: Node, above: string, may_grow: boolean): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item, node, above, may_grow)
      return
    }
    if (!isFields(value)) return
    const grows = node['dynamic'] === undefined ? may_grow : node['dynamic'] === 'true' || node['dynamic'] === true
    for (const name of Object.keys(value)) {
      const inner = member(value, name)
      // Null and an empty list make no field.
      if (inner === undefined || inner === null || (Array.isArray(inner) && inner.length === 0)) continue
      const child = nodeAt(node, name)
      if (child !== undefined) {
        const is_object = isNode(child['properties']) || child['type'] === undefined || child['type'] === 'nested'
        if (is_object && child['enabled'] !== false) visit(inner, child, `${above}${name}.`, grows)
      } else if (grows) found.add(`${above}${name}`)
    }
  }
  visit(fields, root, '', true)
  return [...found]
}

/** The node below `node` at a path with dots; names with dots in them are there too (`subobjects: false`). */
function nodeAt(node: Node, path: string): Node | undefined {
  const properties = own(node, 'properties')
  if (!isNode(properties)) return undefined
  const exact = own(properties, path)
  if (isNode(exact)) return exact
  for (let dot = path.indexOf('.'); dot > 0; dot = path.indexOf('.', dot + 1)) {
    const next = own(properties, path.slice(0, dot))
    const found = isNode(next) ? nodeAt(next, path.slice(dot + 1)) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

function own(node: Node, name: string): unknown {
  return Object.hasOwn(node, name) ? node[name] : undefined
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
