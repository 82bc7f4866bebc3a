import { isFields, setMember, type Value } from '../values.ts'

/** An escape of half a character of two halves. Both halves of one may be there, so it is only a hint. */
const HALF_ESCAPE = /\\u[dD][89a-fA-F]/

/** Whether a JSON text may hold half a character, as an escape or as it is: a filter may have cut a character in two. */
export function mayHoldHalves(json: string): boolean {
  return (json.includes('\\u') && HALF_ESCAPE.test(json)) || !json.isWellFormed()
}

/**
 * Empties the texts in which half a character stands alone (`"\ud800x"`), for UTF-8 has none and Logstash makes them
 * empty too. Returns the value, changed in place where it is a list or a map.
 */
export function emptyIllFormed(value: Value): Value {
  if (typeof value === 'string') return value.isWellFormed() ? value : ''
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) value[index] = emptyIllFormed(item)
  } else if (isFields(value)) {
    for (const [name, inner] of Object.entries(value)) if (inner !== undefined) setMember(value, name, emptyIllFormed(inner))
  }
  return value
}
