import { didYouMean } from '../../core/errors.ts'
import { type FieldRef, parseFieldRef } from '../../core/field-ref.ts'
import * as option from '../../core/options.ts'
import type { ConfigValue } from '../../core/plan.ts'
import { compileTemplate, type Template } from '../../core/template.ts'
import type { Value } from '../../core/values.ts'
import { rubyText } from '../ruby-text.ts'
import { CONVERSION_NAMES, type ConversionName } from './convert.ts'

/** A field and what is to be done with it. */
export interface FieldEntry<T> {
  readonly ref: FieldRef
  readonly setting: T
}

type ReadSetting<T> = (value: ConfigValue, report: option.Report) => T | undefined

/** A hash whose names are fields and whose values mean something else for each option. In the order of the file. */
function fieldHash<T>(summary: string, readSetting: ReadSetting<T>): option.Option<readonly FieldEntry<T>[]> {
  return entryHash(summary, (entry, report) => {
    const ref = option.attempt(() => parseFieldRef(entry.name), entry.name_at, report)
    const setting = readSetting(entry.value, report)
    return ref === undefined || setting === undefined ? undefined : { ref, setting }
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
    return text === undefined ? undefined : option.readTemplate(text, value.at, report)
  }
  const items = value.items.map((item) => configText(item, report))
  return items.includes(undefined) ? undefined : option.readTemplate(rubyText(items as Value[]), value.at, report)
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

const readFields: ReadSetting<readonly FieldRef[]> = (value, report) => {
  const items = value.kind === 'list' ? value.items : [value]
  const refs = items.map((item) => option.readFieldRef(item, report))
  return refs.every((ref) => ref !== undefined) ? refs : undefined
}

export interface Renaming {
  readonly from: Template
  readonly to: Template
}

const readRenaming = (entry: option.Entry, report: option.Report): Renaming | undefined => {
  const from = readReference(entry.name, entry.name_at, report)
  const text = option.readText(entry.value, report)
  const to = text === undefined ? undefined : readReference(text, entry.value.at, report)
  return from === undefined || to === undefined ? undefined : { from, to }
}

/** A reference with `%{field}` in it can only be checked by event, any other one here. */
function readReference(text: string, at: ConfigValue['at'], report: option.Report): Template | undefined {
  return option.attempt(
    () => {
      const template = compileTemplate(text)
      if (template.constant !== undefined) parseFieldRef(template.constant)
      return template
    },
    at,
    report,
  )
}

interface Substitution {
  readonly ref: FieldRef
  readonly pattern: string
  readonly replacement: string
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
        const ref = option.attempt(() => parseFieldRef(field), value.at, report)
        if (ref === undefined) return undefined
        found.push({ ref, pattern, replacement })
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
  uppercase: option.fieldRefs('Fields whose text is written in capitals.', { default: [] }),
  capitalize: option.fieldRefs('Fields whose text gets one capital at its beginning and small letters after it.', {
    default: [],
  }),
  lowercase: option.fieldRefs('Fields whose text is written in small letters.', { default: [] }),
  strip: option.fieldRefs('Fields whose text loses the blanks around it.', { default: [] }),
  split: fieldHash('Fields to separators: text becomes a list. Empty parts at the end are dropped.', option.readText),
  join: fieldHash('Fields to separators: a list becomes text.', option.readText),
  merge: fieldHash('Fields to fields (or lists of fields) whose values are appended, or whose maps are merged in.', readFields),
  copy: fieldHash('Fields to fields that get a copy of their own.', option.readFieldRef),
  tag_on_failure: option.string('Tag of an event on which something failed; what comes after it in the order is skipped.', {
    default: '_mutate_error',
  }),
}

export type MutateOptions = option.OptionValues<typeof MUTATE_OPTIONS>
