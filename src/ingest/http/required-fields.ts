import type { Decoded } from '../../core/contracts.ts'
import { ownField } from '../../core/decoded.ts'
import { below } from '../../core/field-path.ts'
import type { FieldRef } from '../../core/field-ref.ts'
import type { Value } from '../../core/values.ts'
import { Refusal } from './refusal.ts'

/** Stands in a path for every element of a list. */
const EACH = '*'
/** A list may be long, and a refusal is not. */
const NAMED_MAX = 10

/**
 * Looks for the required fields in one event of a body.
 * @param number of the event, from 1
 * @throws Refusal 400 with the places where something is missing; an element of a list is named by its index
 */
export function checkRequired(decoded: Decoded, required: readonly FieldRef[], number: number): void {
  if (required.length === 0) return
  if (decoded.failure !== undefined) throw new Refusal(400, `event ${number} of the body is ${decoded.failure}`)
  const missing = new Set<string>()
  for (const ref of required) {
    for (const what of missingIn(decoded, ref)) {
      missing.add(what)
      if (missing.size > NAMED_MAX) break
    }
  }
  if (missing.size === 0) return
  const named = [...missing].slice(0, NAMED_MAX).join(', ')
  throw new Refusal(400, `event ${number} of the body lacks ${named}${missing.size > NAMED_MAX ? ' and more' : ''}`)
}

function missingIn(decoded: Decoded, { path, in_metadata }: FieldRef): Iterable<string> {
  const segments = in_metadata ? ['@metadata', ...path] : path
  return missingBelow(ownField(decoded, segments[0] ?? ''), segments, 1)
}

/** What is missing on the way from `value`, which stands where `path` is `depth` segments long. */
function* missingBelow(value: Value | undefined, path: readonly string[], depth: number): Generator<string, void, void> {
  const each = path.indexOf(EACH, depth)
  const before = each < 0 ? path : path.slice(0, each)
  const found = below(value, before, depth)
  if (each < 0) {
    if (found === undefined || found === null) yield placeText(path)
  } else if (Array.isArray(found)) {
    const behind = path.slice(each + 1)
    for (const [index, element] of found.entries()) {
      yield* missingBelow(element, [...before, String(index), ...behind], each + 1)
    }
  } else yield `a list at ${placeText(before)}`
}

function placeText(path: readonly string[]): string {
  return path.length === 1 ? (path[0] ?? '') : path.map((segment) => `[${segment}]`).join('')
}
