import { didYouMean } from '../../core/errors.ts'
import type { FieldRef } from '../../core/field-ref.ts'
import { type RefOf, readLateFieldRef, readLateRefOf, readLateTemplate } from '../../core/options/late-options.ts'
import * as option from '../../core/options/options.ts'
import type { ConfigValue } from '../../core/plan.ts'
import type { Template } from '../../core/template.ts'
import type { Value } from '../../core/values.ts'
import { rubyText } from '../ruby-text.ts'
import { CONVERSION_NAMES, type ConversionName } from './convert.ts'
import type { Substitution } from './gsub.ts'

/** A field and what is to be done with it. */
export interface FieldEntry<T> {
  readonly ref: FieldRef
  readonly setting: T
}

type ReadSetting<T> = (value: ConfigValue, report: option.Report) => T | undefined

/** A hash whose names are fields and whose values mean something else for each option. In the order of the file. */
function fieldHash<T>(summary: string, readSetting: ReadSetting<T>): option.Option<readonly FieldEntry<T>[]> {
  return entryHash(summary, (entry, report) => {
    const ref = readLateFieldRef(entry.name, entry.name_at, report)
    const setting = readSetting(entry.value, report)
    return setting === undefined ? undefined : { ref, setting }
  })
}

function entryHash<T>(
  summary: string,
  readEntry: (entry: option.Entry, report: option.Report) => T | undefined,
): option.Option<readonly T[]> {
  const plain = option.hash(summary)
  return {
    ...plain,
    read: (value, report) => {
      if (value === undefined) return []
      const read = plain.read(value, report)?.map((entry) => readEntry(entry, report))
      return read?.every((entry) => entry !== undefined) === true ? read : undefined
    },
  }
}

/** Text that is put into a field: a list becomes the text that Ruby prints of it, as in Logstash. */
const readText: ReadSetting<Template> = (value, report) => {
  if (value.kind !== 'list') {
    const text = option.readText(value, report)
    return text === undefined ? undefined : readLateTemplate(text, value.at, report)
  }
  const items = value.items.map((item) => configText(item, report))
  return items.includes(undefined) ? undefined : readLateTemplate(rubyText(items as Value[]), value.at, report)
}

function configText(value: ConfigValue, report: option.Report): Value | undefined {
  return value.kind === 'number' ? value.value : option.readText(value, report)
}

const readConversion: ReadSetting<ConversionName> = (value, report) => {
  const text = option.readText(value, report)
  const name = CONVERSION_NAMES.find((known) => known === text)
  if (text !== undefined && name === undefined) {
    report({
      code: 'CONFIG_INVALID_OPTION',
      at: value.at,
      message: `Invalid conversion type '${text}', expected one of ${CONVERSION_NAMES.join(', ')}`,
      ...didYouMean(text, CONVERSION_NAMES),
    })
  }
  return name
}

const readField: ReadSetting<FieldRef> = (value, report) => {
  const text = option.readText(value, report)
  return text === undefined ? undefined : readLateFieldRef(text, value.at, report)
}

const readFields: ReadSetting<readonly FieldRef[]> = (value, report) => {
  const items = value.kind === 'list' ? value.items : [value]
  const refs = items.map((item) => readField(item, report))
  return refs.every((ref) => ref !== undefined) ? refs : undefined
}

export interface Renaming {
  readonly from: RefOf
  readonly to: RefOf
}

const readRenaming = (entry: option.Entry, report: option.Report): Renaming | undefined => {
  const text = option.readText(entry.value, report)
  if (text === undefined) return undefined
  return {
    from: readLateRefOf(entry.name, entry.name_at, report),
    to: readLateRefOf(text, entry.value.at, report),
  }
}

/** Fields that one operation changes. */
function fields(summary: string): option.Option<readonly FieldRef[]> {
  const plain = option.listOf(summary, 'list of fields', readLateFieldRef)
  return { ...plain, read: (value, report) => (value === undefined ? [] : plain.read(value, report)) }
}

function triples(summary: string): option.Option<readonly Substitution[]> {
  const plain = option.list(summary)
  return {
    ...plain,
    read: (value, report) => {
      if (value === undefined) return []
      const texts = plain.read(value, report)
      if (texts === undefined) return undefined
      if (texts.length % 3 !== 0) {
        report({
          code: 'CONFIG_INVALID_OPTION',
          at: value.at,
          message: `expected triples of field, pattern and replacement, got ${texts.length} texts`,
        })
        return undefined
      }
      const found: Substitution[] = []
      for (let index = 0; index < texts.length; index += 3) {
        const [field = '', pattern = '', replacement = ''] = texts.slice(index, index + 3)
        found.push({
          ref: readLateFieldRef(field, value.at, report),
          pattern: readLateTemplate(pattern, value.at, report),
          replacement: readLateTemplate(replacement, value.at, report),
        })
      }
      return found
    },
  }
}

/** In the order in which they run. */
export const MUTATE_OPTIONS = {
  coerce: fieldHash('Fields that get a value where they are there and null. Values take %{field}.', readText),
  rename: entryHash('Old names to new ones; what has the new name is overwritten. Both take %{field}.', readRenaming),
  update: fieldHash('Fields that get a new text where they are there. Values take %{field}.', readText),
  replace: fieldHash('Fields that get a new text, there or not. Values take %{field}.', readText),
  convert: fieldHash(`Fields to types: ${CONVERSION_NAMES.join(', ')}. Of a list each element is converted.`, readConversion),
  gsub: triples(
    'Triples of field, regular expression (Ruby syntax) and replacement (`\\0`, `\\1`, `\\k<name>`). Both take %{field}.',
  ),
  uppercase: fields('Fields whose text is written in capitals.'),
  capitalize: fields('Fields whose text gets one capital at its beginning and small letters after it.'),
  lowercase: fields('Fields whose text is written in small letters.'),
  strip: fields('Fields whose text loses the blanks around it.'),
  split: fieldHash('Fields to separators: text becomes a list. Empty parts at the end are dropped.', option.readText),
  join: fieldHash('Fields to separators: a list becomes text.', option.readText),
  merge: fieldHash('Fields to fields (or lists of fields) whose values are appended, or whose maps are merged in.', readFields),
  copy: fieldHash('Fields to fields that get a copy of their own.', readField),
  tag_on_failure: option.string('Tag of an event on which something failed; what comes after it in the order is skipped.', {
    default: '_mutate_error',
  }),
}

export type MutateOptions = option.OptionValues<typeof MUTATE_OPTIONS>
