import { numberOf } from '../core/json/exact-number.ts'
import type { ConfigValue } from '../core/plan.ts'
import { type Fields, setMember, type Value } from '../core/values.ts'

/** What an event gets of a value that stands in the config; numbers as they are written. */
export function configValueOf(value: ConfigValue): Value {
  switch (value.kind) {
    case 'string':
    case 'boolean':
      return value.value
    case 'number':
      return numberOf(value.text)
    case 'list':
      return value.items.map(configValueOf)
    case 'hash': {
      const fields: Fields = {}
      for (const { name, value: inner } of value.entries) setMember(fields, name, configValueOf(inner))
      return fields
    }
    default:
      return null
  }
}
