import { defineFilter } from '../core/component.ts'
import { messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import * as option from '../core/options/options.ts'
import { stringify, type Value } from '../core/values.ts'

/** More events than this are not made of one: `[0,0,0,…]` in one line must not become a million copies. */
const EVENTS_MAX = 10_000
/** Nor more bytes, as every copy holds the rest of the event too. */
const BYTES_MAX = 268_435_456
const FAILURE = '_split_type_failure'

const SPLIT_OPTIONS = {
  field: option.fieldRef('Field with the list, or the text to cut.', { default: 'message' }),
  terminator: option.string('Text between the parts, taken as it is: no regular expression. One blank stands for runs of them.', {
    default: '\n',
  }),
  target: option.fieldRef('Field that gets the part. Default: the field itself.'),
}

export const split = defineFilter({
  name: 'split',
  summary: 'Makes one event of each element of a list, or of each part of a text.',
  description: `
Each new event is a copy of the whole with one element or part in the target. Elements that are null or empty text and
empty parts are left out; an empty list or text thus removes the event. A text that the terminator is not in goes on as
it is, without the common options. The event itself ends as \`consumed\` in the ledger, the new ones are counted as created.

What is neither a list nor text, a list of more than ${EVENTS_MAX.toLocaleString('en-US')} elements, and one whose copies would take more than
${BYTES_MAX / 1_048_576} MiB, is tagged \`${FAILURE}\` and goes on whole.
`.trim(),
  options: SPLIT_OPTIONS,
  examples: [
    {
      title: 'An event for each order',
      options: { field: 'orders', target: 'order', remove_field: ['orders'] },
      before: { day: '2026-03-01', orders: [{ id: 1 }, { id: 2 }] },
      after: [
        { day: '2026-03-01', order: { id: 1 } },
        { day: '2026-03-01', order: { id: 2 } },
      ],
    },
    {
      title: 'Lines',
      options: {},
      before: { message: 'one\ntwo\n' },
      after: [{ message: 'one' }, { message: 'two' }],
    },
    {
      title: 'Nothing to split',
      options: { field: 'orders' },
      before: { orders: 5 },
      after: { orders: 5, tags: ['_split_type_failure'] },
    },
  ],
  compile({ field, terminator, target = field }, context) {
    const cut = compileCut(terminator)
    // Tags take no null, and are short.
    const isReplaced = target.text === field.text && field.path[0] !== 'tags'
    const fail = (event: Event, why: string): void => {
      event.tag(FAILURE)
      context.log.warn('split_failure', `${context.where}: the split filter could not take ${field.text}: ${why}`)
    }
    /** A copy of the rest for each part. */
    const copiesOf = (event: Event, parts: readonly Value[], rest_bytes: number): Event[] =>
      parts.map((part) => {
        const copy = event.clone()
        copy.size_bytes = rest_bytes + sizeOf(part)
        copy.set(target, part)
        context.matched(copy)
        return copy
      })
    return (event, emit) => {
      const value = event.get(field)
      if (!Array.isArray(value) && typeof value !== 'string') return fail(event, 'it is neither text nor a list')
      const all = Array.isArray(value) ? value : cut(value)
      if (all.length === 1 && typeof value === 'string') return
      const parts = all.filter((part) => part !== null && part !== '')
      const rest_bytes = Math.max(0, event.size_bytes - (isReplaced ? sizeOf(value) : 0))
      if (parts.length > EVENTS_MAX) return fail(event, `it has ${parts.length} parts, and ${EVENTS_MAX} are the most`)
      if (parts.length * rest_bytes > BYTES_MAX) return fail(event, `${parts.length} copies of the event would be too large`)
      let copies: Event[]
      try {
        // Without what is cut every copy is cheap, and n parts cost n copies of the rest instead of n copies of all.
        if (isReplaced) event.set(field, null)
        copies = copiesOf(event, parts, rest_bytes)
      } catch (thrown) {
        if (isReplaced) event.set(field, value)
        return fail(event, messageOf(thrown))
      }
      if (copies.length === 0) event.cancel(`split at ${context.where}: nothing in it`)
      else event.consume()
      for (const copy of copies) emit(copy)
    }
  },
})

/** Cuts as Ruby's `split` does when it keeps empty parts at the end: of an empty text nothing is left. */
function compileCut(terminator: string): (text: string) => string[] {
  if (terminator === ' ') return (text) => (text === '' ? [] : text.replace(/^[\0\t\n\v\f\r ]+/, '').split(/[\0\t\n\v\f\r ]+/))
  if (terminator === '') return (text) => (text === '' ? [] : [...Array.from(text), ''])
  return (text) => (text === '' ? [] : text.split(terminator))
}

function sizeOf(value: Value): number {
  return typeof value === 'string' ? value.length : stringify(value).length
}
