import { defineFilter } from '../../core/component.ts'
import type { FilterContext } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import type { FieldRef } from '../../core/field-ref.ts'
import { regexLimits } from '../../core/regex/guard.ts'
import type { Template } from '../../core/template.ts'
import { cloneValue } from '../../core/values.ts'
import { type ConversionName, compileConversion } from './convert.ts'
import { compileGsub } from './gsub.ts'
import { type FieldEntry, MUTATE_OPTIONS, type MutateOptions, type Renaming } from './options.ts'
import { type ChangeValue, capitalize, join, lowercase, merge, split, stripBlanks, uppercase } from './text.ts'

type Change = (event: Event) => void

export const mutate = defineFilter({
  name: 'mutate',
  summary: 'Renames, replaces, converts and rewrites fields.',
  description: `
Whatever the order in the file, one \`mutate\` runs its operations in this order: coerce, rename, update, replace,
convert, gsub, uppercase, capitalize, lowercase, strip, split, join, merge, copy, and then add_field, remove_field,
add_tag and remove_tag. For another order use several blocks. The entries of one option run in the order of the file.

The first operation that fails ends the block for that event: what was done stays, the event gets the tag of
\`tag_on_failure\`, and the common options do not act.

\`convert\` to \`integer\` takes \`1,234\`, \`5.7\` (cut), \`0x1A\`, \`010\` (octal) and integers of any size exactly; other text
fails. To \`boolean\` it takes true, t, yes, y, 1 and false, f, no, n, 0 and the empty text; other values stay, with a
warning. To \`string\` a number gives the text that Ruby makes of it, as in Logstash: \`1.0e+21\`, and \`0.11e1\` for a \`1.10\`
that the json filter read.

A \`gsub\` that takes longer than a second on one text is broken off, and its event gets the tag.
`.trim(),
  options: MUTATE_OPTIONS,
  refused: { remove: 'Logstash dropped it; use remove_field' },
  examples: [
    {
      title: 'Rename and convert',
      options: { rename: { dur: '[event][duration]' }, convert: { '[event][duration]': 'integer', ok: 'boolean' } },
      before: { dur: '1,205', ok: 'yes' },
      after: { event: { duration: 1205 }, ok: true },
    },
    {
      title: 'Replace by a regular expression',
      options: { gsub: ['path', '/(\\d+)(/|$)', '/:id\\2'] },
      before: { path: '/orders/4711/fills' },
      after: { path: '/orders/:id/fills' },
    },
    {
      title: 'A service name from other fields, where it is missing',
      options: { coerce: { service: '%{app}' }, lowercase: ['service'] },
      before: { service: null, app: 'Exchange-API' },
      after: { service: 'exchange-api', app: 'Exchange-API' },
    },
    {
      title: 'Lists',
      options: { split: { symbols: ',' }, join: { path: '/' }, merge: { symbols: 'extra' } },
      before: { symbols: 'BTC,ETH,,', path: ['a', 'b'], extra: 'SOL' },
      after: { symbols: ['BTC', 'ETH', 'SOL'], path: 'a/b', extra: 'SOL' },
    },
    {
      title: 'A failure ends the block',
      options: { convert: { n: 'integer' }, uppercase: ['s'] },
      before: { n: 'many', s: 'a' },
      after: { n: 'many', s: 'a', tags: ['_mutate_error'] },
    },
  ],
  compile(options, context) {
    const changes = compileChanges(options, context)
    const tag = options.tag_on_failure
    return (event) => {
      try {
        for (const change of changes) change(event)
        context.matched(event)
      } catch (thrown) {
        event.tag(tag)
        context.log.warn('mutate_failure', `${context.where}: the mutate filter stopped at a failure: ${messageOf(thrown)}`)
      }
    }
  },
})

/** Logstash's order. */
function compileChanges(options: MutateOptions, context: FilterContext): readonly Change[] {
  return [
    ...options.coerce.map(coerce),
    ...options.rename.map(rename),
    ...options.update.map(update),
    ...options.replace.map(replace),
    ...options.convert.map((entry) => convert(entry, context)),
    ...options.gsub.map((substitution) => compileGsub(substitution, regexLimits(context))),
    ...options.uppercase.map((ref) => changeValue(ref, uppercase)),
    ...options.capitalize.map((ref) => changeValue(ref, capitalize)),
    ...options.lowercase.map((ref) => changeValue(ref, lowercase)),
    ...options.strip.map((ref) => changeValue(ref, stripBlanks)),
    ...options.split.map(({ ref, setting }) => changeValue(ref, split(setting))),
    ...options.join.map(({ ref, setting }) => changeValue(ref, join(setting))),
    ...options.merge.map((entry) => mergeInto(entry, context)),
    ...options.copy.map(copy),
  ]
}

function coerce({ ref, setting }: FieldEntry<Template>): Change {
  return (event) => {
    if (event.get(ref) === null) event.set(ref, setting.format(event))
  }
}

function rename({ from, to }: Renaming): Change {
  return (event) => {
    const old = from(event)
    const value = event.get(old)
    if (value === undefined) return
    const renamed = to(event)
    if (old.path[0] === renamed.path[0] && old.in_metadata === renamed.in_metadata) {
      event.remove(old)
      event.set(renamed, value)
    } else {
      // Set first: where it fails, the value must not be lost.
      event.set(renamed, value)
      event.remove(old)
    }
  }
}

function update({ ref, setting }: FieldEntry<Template>): Change {
  return (event) => {
    if (event.has(ref)) event.set(ref, setting.format(event))
  }
}

function replace({ ref, setting }: FieldEntry<Template>): Change {
  return (event) => event.set(ref, setting.format(event))
}

function convert({ ref, setting }: FieldEntry<ConversionName>, context: FilterContext): Change {
  const convertValue = compileConversion(setting, () =>
    context.log.warn('mutate_boolean', `${context.where}: ${ref.text} was left as it is: it means neither true nor false`),
  )
  return changeValue(ref, convertValue)
}

function changeValue(ref: FieldRef, change: ChangeValue): Change {
  return (event) => {
    const value = event.get(ref)
    if (value === undefined) return
    const changed = change(value)
    if (changed !== undefined && changed !== value) event.set(ref, changed)
  }
}

function mergeInto({ ref, setting }: FieldEntry<readonly FieldRef[]>, context: FilterContext): Change {
  return (event) => {
    let into = event.get(ref)
    // As in Logstash: a list and a map take one source after the other, a single value begins anew with each.
    const grows = typeof into === 'object' && into !== null
    for (const source of setting) {
      const merged = merge(into, event.get(source))
      if (merged === undefined) {
        context.log.warn('mutate_merge', `${context.where}: ${source.text} was not merged into ${ref.text}: only one is a map`)
        continue
      }
      event.set(ref, merged)
      if (grows) into = merged
    }
  }
}

function copy({ ref, setting }: FieldEntry<FieldRef>): Change {
  return (event) => {
    const value = event.get(ref)
    if (value !== undefined && value !== null) event.set(setting, cloneValue(value))
  }
}
