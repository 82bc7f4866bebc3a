import { describeValue } from '../plan.ts'
import type { Option } from './options.ts'
import { readText } from './options.ts'

/**
 * An option of Logstash's that changes nothing here: taken as it comes, with a warning that says why it does nothing.
 */
export function kept(why: string): Option<undefined> {
  const summary = `Kept for Logstash's configs, without effect: ${why}.`
  return {
    summary,
    type: 'anything',
    required: false,
    default_value: undefined,
    schema: { description: summary },
    read: (value, report) => {
      if (value === undefined) return undefined
      const message = `it changes nothing here: ${why}`
      report({ code: 'CONFIG_INVALID_OPTION', at: value.at, message, is_warning: true })
      return undefined
    },
  }
}

/** An option of Logstash's of which only these values can be honoured, and always are; `why` says so of the others. */
export function keptAs(values: readonly [string, ...string[]], why: string): Option<undefined> {
  const summary = `Kept for Logstash's configs: only ${values.join(' or ')} can be honoured, for ${why}.`
  return {
    summary,
    type: values.join(' | '),
    required: false,
    default_value: undefined,
    schema: { description: summary },
    read: (value, report) => {
      if (value === undefined || values.includes(readText(value, () => {}) ?? '')) return undefined
      const message = `${describeValue(value)} cannot be honoured: ${why}. Taken: ${values.join(', ')}`
      report({ code: 'CONFIG_OBSOLETE_OPTION', at: value.at, message })
      return undefined
    },
  }
}
