import { LRUCache } from 'lru-cache'
import { type Fields, isFields, member, type Value } from '../../core/values.ts'

const INDICES_MAX = 100
/** A path deeper than that is counted as its beginning. */
const DEPTH_MAX = 20

/** Counts the fields that documents bring into each index, and tells those beyond a number of them. */
export class FieldBudget {
  readonly #fields_max: number
  readonly #indices = new LRUCache<string, Set<string>>({ max: INDICES_MAX })

  constructor(fields_max: number) {
    this.#fields_max = fields_max
  }

  /** The paths of a document that its index may not get any more; the others are known from now on. */
  beyond(index: string, fields: Fields): string[] {
    let known = this.#indices.get(index)
    if (known === undefined) {
      known = new Set()
      this.#indices.set(index, known)
    }
    const paths = known
    const beyond = new Set<string>()
    const visit = (value: Value, above: string, depth: number): void => {
      if (Array.isArray(value)) {
        for (const item of value) visit(item, above, depth)
        return
      }
      if (!isFields(value)) return
      for (const name of Object.keys(value)) {
        const inner = member(value, name)
        if (inner === undefined || inner === null) continue
        const path = `${above}${name}`
        if (paths.has(path)) {
          if (depth < DEPTH_MAX) visit(inner, `${path}.`, depth + 1)
        } else if (paths.size < this.#fields_max) {
          paths.add(path)
          if (depth < DEPTH_MAX) visit(inner, `${path}.`, depth + 1)
        } else beyond.add(path)
      }
    }
    visit(fields, '', 1)
    return [...beyond]
  }
}
