import { defineFilter } from '../../core/component.ts'
import { didYouMean, MillraceError, messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { type FieldRef, parseFieldRef } from '../../core/field-ref.ts'
import * as option from '../../core/options/options.ts'
import { isFields, type Value } from '../../core/values.ts'
import { CONVERSIONS } from './convert.ts'
import { type CsvRow, compileCsvReader } from './row.ts'

const TYPES = Object.keys(CONVERSIONS) as (keyof typeof CONVERSIONS)[]
const FAILURE = '_csvparsefailure'
const EMPTY = '_csvskippedemptyfield'

const CSV_OPTIONS = {
  source: option.fieldRef('Field with the row.', { default: 'message' }),
  target: option.string('Field that the columns are put into. Default: the event itself.'),
  columns: option.list('Names of the columns. Further ones are called `column1`, `column2`, … by their places.', { default: [] }),
  separator: option.string('Text between two columns.', { default: ',' }),
  quote_char: option.string('Character around columns that hold a separator. `\\x00`: none.', { default: '"' }),
  autogenerate_column_names: option.boolean('Names columns beyond `columns`; else they are left out.', { default: true }),
  autodetect_column_names: option.boolean('Takes the names from the first row, which is dropped.', { default: false }),
  skip_header: option.boolean('Drops rows that are the same as the names of the columns.', { default: false }),
  skip_empty_columns: option.boolean('Leaves out columns with nothing in them.', { default: false }),
  skip_empty_rows: option.boolean(`Tags an empty row \`${EMPTY}\` instead of as a failure.`, { default: false }),
  convert: option.hash(`Columns to types: ${TYPES.join(', ')}. What cannot be converted stays text.`, { default: {} }),
}

/** References are kept for so many columns: a line of a million separators must not stay in the memory. */
const REFS_MAX = 1_000

type CsvOptions = option.OptionValues<typeof CSV_OPTIONS>

export const csv = defineFilter({
  name: 'csv',
  summary: 'Reads a row of comma-separated values (or others) into fields.',
  description: `
A column with nothing in it becomes null, \`""\` empty text. As strict as Logstash: a quote stands around a whole column, and is
doubled inside; what is no such row is tagged \`${FAILURE}\`. Of a text with several rows the first is read. A missing or null
source does nothing. Names of columns are read as field references: \`[a][b]\` is a nested field.

\`convert\`: \`integer\` and \`float\` take what Ruby takes (\`0x1A\`, \`1_000\`), \`date\` reads \`2026-03-01\` and \`March 1, 2026\` in
this machine's zone, \`date_time\` also times, in UTC where no offset is given; \`boolean\` leaves other text in small letters.
With \`autodetect_column_names\` the first row that arrives counts, of whatever file: read one file with one such filter.
`.trim(),
  options: CSV_OPTIONS,
  examples: [
    {
      title: 'Named and typed columns',
      options: { columns: ['name', 'age', 'note'], convert: { age: 'integer' }, remove_field: ['message'] },
      before: { message: 'Anna,41,"says ""hi"", often"' },
      after: { name: 'Anna', age: 41, note: 'says "hi", often' },
    },
    {
      title: 'Without names',
      options: { separator: ';', target: 'row' },
      before: { message: '1;;x' },
      after: { message: '1;;x', row: { column1: '1', column2: null, column3: 'x' } },
    },
    {
      title: 'A text that is no row',
      options: {},
      before: { message: 'a "quote" inside' },
      after: { message: 'a "quote" inside', tags: ['_csvparsefailure'] },
    },
  ],
  compile(options, context) {
    const { source, skip_empty_rows, skip_empty_columns, autogenerate_column_names } = options
    const read = compileCsvReader(separatorOf(options), quoteOf(options))
    const convert = compileConversions(options)
    const refOf = compileRef(options.target)
    let columns: CsvRow = options.columns
    // Names from the config are checked here, those from a first row when they come.
    let refs: (FieldRef | undefined)[] = options.columns.map(refOf)

    const save = (event: Event, row: CsvRow): void => {
      for (const [index, text] of row.entries()) {
        if (skip_empty_columns && (text ?? '') === '') continue
        const name = columns[index] ?? (autogenerate_column_names ? `column${index + 1}` : undefined)
        if (name === undefined) continue
        const ref = refs[index] ?? refOf(name)
        if (index < REFS_MAX) refs[index] = ref
        event.set(ref, convert(name, text))
      }
    }

    return (event) => {
      const value = event.get(source)
      if (value === undefined || value === null || value === false) return
      if (skip_empty_rows && isEmpty(value)) return event.tag(EMPTY)
      try {
        const row = typeof value === 'string' ? read(value) : undefined
        if (row === undefined) throw new TypeError(typeof value === 'string' ? 'it is empty' : 'it is not text')
        if (options.autodetect_column_names && columns.length === 0) {
          columns = row
          refs = []
          return event.cancel(`csv at ${context.where}: the names of the columns`)
        }
        if (options.skip_header && columns.length > 0 && isSame(row, columns)) {
          return event.cancel(`csv at ${context.where}: a header`)
        }
        save(event, row)
      } catch (thrown) {
        event.tag(FAILURE)
        context.log.warn('csv_failure', `${context.where}: the csv filter could not take ${source.text}: ${messageOf(thrown)}`)
        return
      }
      context.matched(event)
    }
  },
})

function separatorOf({ separator }: CsvOptions): string {
  if (separator === '') throw new MillraceError('OPTION_INVALID', 'separator: expected at least one character, got ""')
  return separator
}

/** A config without escapes can only write NUL, which stands for no quotes, as these four characters. */
function quoteOf({ quote_char }: CsvOptions): string {
  if (quote_char === '\\x00') return '\0'
  if (Array.from(quote_char).length === 1) return quote_char
  throw new MillraceError('OPTION_INVALID', `quote_char: expected one character, got "${quote_char}"`)
}

function compileConversions({ convert }: CsvOptions): (name: string, text: string | null) => Value {
  const byName = new Map(convert.map((entry) => [entry.name, typeOf(entry)]))
  return (name, text) => {
    const type = byName.get(name)
    if (type === undefined) return text
    // Ruby's nil has no blanks to strip: a failure in Logstash too.
    if (text === null && type === 'boolean') throw new TypeError(`${name} is empty, which is no boolean`)
    return text === null ? null : CONVERSIONS[type](text)
  }
}

function typeOf({ value }: option.Entry): keyof typeof CONVERSIONS {
  const text = option.readText(value, () => {}) ?? ''
  const type = TYPES.find((known) => known === text)
  if (type !== undefined) return type
  const { hint = `expected one of ${TYPES.join(', ')}` } = didYouMean(text, TYPES) ?? {}
  throw new MillraceError('OPTION_INVALID', `convert: Invalid conversion types: ${text}: ${hint}`)
}

function compileRef(target: string | undefined): (name: string) => FieldRef {
  const prefix = target === undefined || /^\[[^[\]]+\]$/.test(target) ? (target ?? '') : `[${target}]`
  return (name) => parseFieldRef(`${prefix}[${name}]`)
}

function isEmpty(value: Value): boolean {
  return value === '' || (Array.isArray(value) && value.length === 0) || (isFields(value) && Object.keys(value).length === 0)
}

function isSame(row: CsvRow, columns: CsvRow): boolean {
  return row.length === columns.length && row.every((text, index) => text === columns[index])
}
