import { defineFilter } from '../../core/component.ts'
import type { FilterContext } from '../../core/contracts.ts'
import { MillraceError, messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { type FieldRef, parseFieldRef } from '../../core/field-ref.ts'
import * as option from '../../core/options/options.ts'
import { textOf } from '../../core/template.ts'
import { rubyText } from '../ruby-text.ts'
import { readDecimal } from './decimal.ts'
import { compileDissectPattern, type DissectPattern, type PatternField } from './pattern.ts'

const DISSECT_OPTIONS = {
  mapping: option.hash('Fields to patterns, tried one after the other.', { default: {} }),
  convert_datatype: option.hash('Fields to `int` or `float`.', { default: {} }),
  tag_on_failure: option.list('Tags of an event whose field does not fit its pattern.', { default: ['_dissectfailure'] }),
}

export const dissect = defineFilter({
  name: 'dissect',
  summary: 'Cuts text into fields at delimiters, without regular expressions.',
  description: `
In a pattern everything outside of \`%{…}\` is a delimiter that must come in this order; a field gets the text up to the next
one, the last field the rest. A delimiter at the beginning must stand at the beginning of the text.

| field | |
|---|---|
| \`%{name}\` \`%{[a][b]}\` | sets the field |
| \`%{}\` \`%{?name}\` | skips the text; the name is for an indirect field |
| \`%{+name}\` | appends to the field, with the delimiter before it, or else a blank, between |
| \`%{+name/2}\` | appends in the order of the numbers |
| \`%{&name}\` | sets the field whose name is the value of the field \`name\`, or the text of \`%{?name}\` |
| \`%{name->}\` | the delimiter behind it may come several times (padding) |

Where the field of a mapping is missing, that mapping is passed over without a tag. Null, empty text and what does not
fit are tagged, and nothing is set. Numbers, lists and maps are cut as the text that Ruby prints of them. With several
mappings the common options act once for each that fits, as in Logstash. As there, too, a delimiter that the text begins
with where a field should be does not count: \`%{a},%{b}\` makes of \`,x\` an empty \`a\` and the \`b\` \`,x\`.

A conversion that fails leaves the value and adds the tag \`_dataconversionuncoercible_<field>_<type>\`, one of a field that is
missing or null \`_dataconversionnullvalue_<field>_<type>\`.
`.trim(),
  options: DISSECT_OPTIONS,
  examples: [
    {
      title: 'A line of syslog',
      options: { mapping: { message: '%{time} %{+time} %{+time} %{host} %{program}[%{pid}]: %{text}' }, remove_field: 'message' },
      before: { message: 'Mar 16 00:01:25 evita postfix/smtpd[1713]: connect from camomile' },
      after: { time: 'Mar 16 00:01:25', host: 'evita', program: 'postfix/smtpd', pid: '1713', text: 'connect from camomile' },
    },
    {
      title: 'Padding, a name from the text, a number',
      options: { mapping: { message: '%{level->} %{?key}=%{&key}' }, convert_datatype: { took: 'int' } },
      before: { message: 'INFO    took=12' },
      after: { message: 'INFO    took=12', level: 'INFO', took: 12 },
    },
    {
      title: 'A text that does not fit',
      options: { mapping: { message: '%{a} - %{b}' } },
      before: { message: 'no dash' },
      after: { message: 'no dash', tags: ['_dissectfailure'] },
    },
  ],
  compile({ mapping, convert_datatype, tag_on_failure }, context) {
    const mappings = mapping.flatMap(compileMapping)
    const conversions = convert_datatype.map(compileConversion)
    const fail = (event: Event, ref: FieldRef, why: string): void => {
      for (const tag of tag_on_failure) event.tag(tag)
      context.log.warn('dissect_failure', `${context.where}: the dissect filter could not take ${ref.text}: ${why}`)
    }
    return (event) => {
      for (const { source, pattern } of mappings) {
        const value = event.get(source)
        if (value === undefined) {
          context.log.warn('dissect_missing', `${context.where}: Dissector mapping, key not found in event: ${source.text}`)
          continue
        }
        const text = rubyText(value)
        try {
          const texts = text === '' ? undefined : pattern.cut(text)
          if (texts === undefined) fail(event, source, text === '' ? 'it is empty' : 'it does not fit the pattern')
          else {
            for (const { ref, index } of pattern.set) event.set(ref, texts[index] ?? '')
            for (const field of pattern.dependent) saveDependent(event, field, texts, pattern)
            context.matched(event)
          }
        } catch (thrown) {
          // As in Logstash: nothing more happens to the event.
          return fail(event, source, messageOf(thrown))
        }
      }
      for (const convert of conversions) convert(event, context)
    }
  },
})

interface Mapping {
  readonly source: FieldRef
  readonly pattern: DissectPattern
}

/** An empty pattern is none, as in Logstash. */
function compileMapping({ name, value }: option.Entry): Mapping | [] {
  const text = option.readText(value, () => {}) ?? ''
  return text === '' ? [] : { source: parseFieldRef(name), pattern: compileDissectPattern(text) }
}

function saveDependent(event: Event, field: PatternField, texts: readonly string[], pattern: DissectPattern): void {
  const text = texts[field.index] ?? ''
  if (field.kind === 'append') {
    const present = event.get(field.ref)
    if (present === null) throw new TypeError(`${field.ref.text} is null: nothing can be appended`)
    event.set(field.ref, present === undefined ? text : textOf(present) + field.joint + text)
    return
  }
  const name = nameFor(event, field, texts, pattern)
  if (name !== '') event.set(parseFieldRef(name), text)
}

/** The value of a field of the event comes before the text of a field of the pattern. */
function nameFor(event: Event, field: PatternField, texts: readonly string[], pattern: DissectPattern): string {
  const present = event.get(field.ref)
  if (present !== undefined) return textOf(present)
  const other = pattern.names.findIndex((name, index) => name === field.name && index !== field.index)
  return texts[other] ?? ''
}

type ConvertField = (event: Event, context: FilterContext) => void

const TYPES = ['int', 'float']

function compileConversion({ name, value }: option.Entry): ConvertField {
  const type = option.readText(value, () => {}) ?? ''
  if (!TYPES.includes(type.toLowerCase())) {
    throw new MillraceError(
      'OPTION_INVALID',
      `convert_datatype: Dissector datatype conversion, datatype not supported: ${type} (expected int or float)`,
    )
  }
  const isInt = type.toLowerCase() === 'int'
  const ref = parseFieldRef(name)
  return (event, context) => {
    const present = event.get(ref) ?? null
    const converted = present === null ? undefined : readDecimal(textOf(present), isInt)
    if (converted !== undefined) {
      event.set(ref, converted)
      return
    }
    event.tag(`_dataconversion${present === null ? 'nullvalue' : 'uncoercible'}_${name}_${type}`)
    context.log.warn('dissect_conversion', `${context.where}: Dissector datatype conversion, value cannot be coerced: ${name}`)
  }
}
