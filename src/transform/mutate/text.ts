import { MillraceError } from '../../core/errors.ts'
import { cloneFields, cloneValue, isFields, setMember, type Value } from '../../core/values.ts'
import { rubyText } from '../ruby-text.ts'
import { strip } from './convert.ts'

/** Changes a field's value; `undefined`: there is nothing to change. */
export type ChangeValue = (value: Value) => Value | undefined

/** Applies to a text and to the texts in a list. */
function toTexts(change: (text: string) => string): ChangeValue {
  return (value) => {
    if (typeof value === 'string') return change(value)
    if (!Array.isArray(value)) return undefined
    return value.map((item) => (typeof item === 'string' ? change(item) : item))
  }
}

export const uppercase = toTexts((text) => text.toUpperCase())
export const lowercase = toTexts((text) => text.toLowerCase())
export const capitalize = toTexts(capitalizeText)

/** One capital, then small letters. */
export function capitalizeText(text: string): string {
  const first = String.fromCodePoint(text.codePointAt(0) ?? 0)
  return text.length === 0 ? text : first.toUpperCase() + text.slice(first.length).toLowerCase()
}

/** @throws MillraceError VALUE_NOT_CONVERTIBLE for a list in which something is not text */
export const stripBlanks: ChangeValue = (value) => {
  if (typeof value === 'string') return strip(value)
  if (!Array.isArray(value)) return undefined
  return value.map((item) => {
    if (typeof item !== 'string')
      throw new MillraceError('VALUE_NOT_CONVERTIBLE', 'strip: expected a list of texts, got other values in it')
    return strip(item)
  })
}

/** Ruby's split: plain text separates, one blank stands for runs of them, empty parts at the end are dropped. */
export function split(separator: string): ChangeValue {
  return (value) => {
    if (typeof value !== 'string') return undefined
    const parts =
      separator === ' ' ? value.split(/[\0\t\n\v\f\r ]+/) : separator === '' ? Array.from(value) : value.split(separator)
    if (separator === ' ' && parts[0] === '') parts.shift()
    while (parts[parts.length - 1] === '') parts.pop()
    return parts
  }
}

/** Lists in the list are joined with the same separator. */
export function join(separator: string): ChangeValue {
  const joined = (list: readonly Value[]): string =>
    list.map((item) => (Array.isArray(item) ? joined(item) : rubyText(item))).join(separator)
  return (value) => (Array.isArray(value) ? joined(value) : undefined)
}

/** Maps merge into maps, everything else becomes one list. `undefined`: a map and something else cannot be merged. */
export function merge(into: Value | undefined, added: Value | undefined): Value | undefined {
  if (isFields(into) && isFields(added)) {
    const merged = cloneFields(into)
    // A copy holds no removed members, which would remove those of the other map.
    for (const [name, value] of Object.entries(cloneFields(added))) setMember(merged, name, value)
    return merged
  }
  if (isFields(into) || isFields(added)) return undefined
  return [...asList(into), ...asList(added).map(cloneValue)]
}

function asList(value: Value | undefined): readonly Value[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value : [value]
}
