import { defineFilter } from '../core/component.ts'
import { messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { fieldRefOf } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'
import { type GuardedRegex, guardedRegex, type RegexLimits, regexLimits } from '../core/regex/guard.ts'
import { compileTemplate } from '../core/template.ts'
import type { Value } from '../core/values.ts'
import { rubyText } from './ruby-text.ts'

/** Names that still hold a placeholder. */
const UNRESOLVED = '%\\{[^}]+\\}'
const FAILURE = '_prune_failure'
/** Names come from event data, so what is remembered of them is bounded: 128 kB. */
const JUDGED_NAMES_MAX = 1_000
const JUDGED_CHARS_MAX = 128

const PRUNE_OPTIONS = {
  whitelist_names: option.list('Regular expressions: only fields whose names match one stay.', { default: [] }),
  blacklist_names: option.list('Regular expressions: fields whose names match one are removed.', { default: [UNRESOLVED] }),
  whitelist_values: option.hash('Fields to regular expressions that their values must match to stay.', { default: {} }),
  blacklist_values: option.hash('Fields to regular expressions that their values must not match.', { default: {} }),
  interpolate: option.boolean('Fills %{field} into names and expressions, anew for each event.', { default: false }),
}

export const prune = defineFilter({
  name: 'prune',
  summary: 'Removes fields by their names or values.',
  description: `
Only the top level is looked at, metadata never. Expressions have Ruby's syntax and match anywhere: write \`^name$\` for a
whole name. A whitelist of names also removes \`@timestamp\`, \`@version\` and \`tags\` unless it names them. All lists look at
the event as it came, then everything is removed at once.

Of a list the elements are looked at one by one, and the field goes when none is left. Values that are not text are
compared as text (Logstash stops at them). Fields that are missing, null or false are passed over. An expression that
\`interpolate\` makes invalid, or that takes too long for a value, removes nothing and the event is tagged \`${FAILURE}\`.
`.trim(),
  options: PRUNE_OPTIONS,
  examples: [
    {
      title: 'Only these fields',
      options: { whitelist_names: ['^@timestamp$', '^message$', '^http_'] },
      before: { '@timestamp': '2026-03-01T08:30:00.000Z', message: 'm', http_status: 200, debug: 'x' },
      after: { '@timestamp': '2026-03-01T08:30:00.000Z', message: 'm', http_status: 200 },
    },
    {
      title: 'By value',
      options: { blacklist_values: { user: '^-$', roles: '^tmp_' } },
      before: { user: '-', roles: ['admin', 'tmp_1'] },
      after: { roles: ['admin'] },
    },
    { title: 'Names that still hold a placeholder', options: {}, before: { '%{x}': 1, y: 2 }, after: { y: 2 } },
  ],
  compile(options, context) {
    const fill = options.interpolate ? interpolated : fixed
    const limits = regexLimits(context)
    const allowedNames = options.whitelist_names.map((pattern) => compilePattern(pattern, fill, limits))
    const refusedNames = options.blacklist_names.map((pattern) => compilePattern(pattern, fill, limits))
    const allowedValues = options.whitelist_values.map((entry) => compileValueTest(entry, fill, limits))
    const refusedValues = options.blacklist_values.map((entry) => compileValueTest(entry, fill, limits))

    const removesNameFor = compileNameTest(allowedNames, refusedNames, options.interpolate)

    const removalsOf = (event: Event): Map<string, ReadonlySet<Value> | undefined> => {
      const removals = new Map<string, ReadonlySet<Value> | undefined>()
      const removesName = removesNameFor?.(event)
      if (removesName !== undefined) for (const name of event.names()) if (removesName(name)) removals.set(name, undefined)
      const collect = (tests: readonly ValueTest[], keep: boolean): void => {
        for (const test of tests) {
          const { name, matches } = test(event)
          const value = event.get(fieldRefOf([name]))
          if (value === undefined || value === null || value === false) continue
          const items = Array.isArray(value) ? value : [value]
          const removed = items.filter((item) => matches(item) !== keep)
          if (removed.length === 0) continue
          const earlier = removals.get(name)
          if (removed.length === items.length) removals.set(name, undefined)
          else if (earlier !== undefined || !removals.has(name)) removals.set(name, new Set([...(earlier ?? []), ...removed]))
        }
      }
      collect(allowedValues, true)
      collect(refusedValues, false)
      return removals
    }

    return (event) => {
      try {
        for (const [name, values] of removalsOf(event)) remove(event, name, values)
      } catch (thrown) {
        event.tag(FAILURE)
        context.log.warn('prune_failure', `${context.where}: the prune filter failed: ${messageOf(thrown)}`)
        return
      }
      context.matched(event)
    }
  },
})

/** Removes a field, or of a list the elements given. */
function remove(event: Event, name: string, values: ReadonlySet<Value> | undefined): void {
  const ref = fieldRefOf([name])
  const value = values === undefined ? undefined : event.get(ref)
  if (values === undefined || !Array.isArray(value)) event.remove(ref)
  else {
    event.set(
      ref,
      value.filter((item) => !values.has(item)),
    )
  }
}

type PatternOf = (event: Event) => GuardedRegex
type NameTest = (name: string) => boolean

/** Which names go; `undefined` where there are no lists of names. Expressions that are the same for all events judge each name once. */
function compileNameTest(
  allowed: readonly PatternOf[],
  refused: readonly PatternOf[],
  interpolate: boolean,
): ((event: Event) => NameTest) | undefined {
  if (allowed.length + refused.length === 0) return undefined
  const removesNameFor = (event: Event): NameTest => {
    const allowing = allowed.map((patternOf) => patternOf(event))
    const refusing = refused.map((patternOf) => patternOf(event))
    return (name) => {
      const isAllowed = allowing.length === 0 || allowing.some((pattern) => pattern.test(name))
      return !isAllowed || refusing.some((pattern) => pattern.test(name))
    }
  }
  if (interpolate) return removesNameFor
  let remembering: NameTest | undefined
  return (event) => (remembering ??= remembered(removesNameFor(event)))
}

function remembered(removesName: NameTest): NameTest {
  const judged = new Map<string, boolean>()
  return (name) => {
    if (name.length > JUDGED_CHARS_MAX) return removesName(name)
    let removes = judged.get(name)
    if (removes === undefined) {
      removes = removesName(name)
      if (judged.size >= JUDGED_NAMES_MAX) judged.clear()
      judged.set(name, removes)
    }
    return removes
  }
}

type Fill = (text: string) => (event: Event) => string
type ValueTest = (event: Event) => { readonly name: string; readonly matches: (value: Value) => boolean }

const fixed: Fill = (text) => () => text

const interpolated: Fill = (text) => {
  // The default looks like a placeholder itself.
  if (text === UNRESOLVED) return fixed(text)
  const template = compileTemplate(text)
  return (event) => template.format(event)
}

/** Compiled once where nothing is filled in; else expressions that come again and again are kept. */
function compilePattern(text: string, fill: Fill, limits: RegexLimits): PatternOf {
  if (fill === fixed) {
    const pattern = guardedRegex(text, '', limits)
    return () => pattern
  }
  const filled = fill(text)
  return (event) => guardedRegex(filled(event), '', limits)
}

function compileValueTest({ name, value }: option.Entry, fill: Fill, limits: RegexLimits): ValueTest {
  const nameOf = fill(name)
  const patternOf = compilePattern(option.readText(value, () => {}) ?? '', fill, limits)
  return (event) => {
    const pattern = patternOf(event)
    return { name: nameOf(event), matches: (item) => pattern.test(rubyText(item)) }
  }
}
