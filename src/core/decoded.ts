import type { Decoded } from './contracts.ts'
import { type Exact, type Fields, member, mergeExact, setMember, type Value } from './values.ts'

export type FoundFields = Pick<Decoded, 'fields' | 'source'>

/** The value of a top-level field of what a codec found. A map or list that is still text is another one each time. */
export function valueIn({ fields, source }: FoundFields, name: string): Value | undefined {
  const own = member(fields, name)
  return own === undefined ? source?.get(name) : own
}

/** The value of a top-level field as it is written, where it is still text. */
export function textIn({ fields, source }: FoundFields, name: string): string | undefined {
  return member(fields, name) === undefined ? source?.textOf(name) : undefined
}

/** The value of a top-level field of what a codec found, as one of `fields` from here on. */
export function ownField({ fields, source }: FoundFields, name: string): Value | undefined {
  const own = member(fields, name)
  if (own !== undefined || source === undefined) return own
  const value = source.take(name)
  if (value !== undefined) setMember(fields, name, value)
  return value
}

/** All fields of what a codec found. It is not to be used any more. */
export function wholeFields({ fields, exact, source }: Decoded): { readonly fields: Fields; readonly exact: Exact } {
  if (source === undefined) return { fields, exact }
  const parsed = source.parse()
  const whole = parsed.value
  for (const name of Object.keys(fields)) setMember(whole, name, fields[name])
  return { fields: whole, exact: mergeExact(parsed.exact, exact) }
}
