import { type ConfigCode, didYouMean, messageOf, type Position } from '../errors.ts'
import { type FieldRef, parseFieldRef } from '../field-ref.ts'
import { type ComponentNode, type ConfigValue, describeValue } from '../plan.ts'
import { Secret } from '../secret.ts'
import { compileTemplate, type Template } from '../template.ts'

/** A JSON Schema (draft 2020-12) fragment. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
}

interface OptionProblem {
  readonly code: ConfigCode
  readonly at: Position
  readonly message: string
  readonly hint?: string
  /** The value is taken, though nothing good will come of it (`late-options.ts`). */
  readonly is_warning?: boolean
}

export type Report = (problem: OptionProblem) => void

/**
 * One option of a component: how it is described, which values it takes and what becomes of them.
 * Both config languages use the same reader, so text is taken for numbers and booleans as Logstash does.
 */
export interface Option<T> {
  readonly summary: string
  /** For the docs: `list of texts`. */
  readonly type: string
  readonly required: boolean
  /** In the form a user would write; `undefined` for none. */
  readonly default_value: unknown
  readonly schema: JsonSchema
  /** Reads a value, or reports what is wrong with it and returns `undefined`. `undefined` in: the default. */
  read(value: ConfigValue | undefined, report: Report): T | undefined
}

export interface OptionSpecs {
  readonly [name: string]: Option<unknown>
}

/** The values that a component gets for its options. */
export type OptionValues<S extends OptionSpecs> = {
  readonly [K in keyof S]: S[K] extends Option<infer T> ? T : never
}

interface Settings<T> {
  readonly default?: T
  readonly required?: true
}

type Declared<T, S> = S extends { default: unknown } | { required: true } ? Option<T> : Option<T | undefined>

type ReadValue<T> = (value: ConfigValue, report: Report) => T | undefined

function declare<T, S extends Settings<unknown>>(
  summary: string,
  type: string,
  schema: JsonSchema,
  settings: S,
  read: ReadValue<T>,
  defaultValue: T | undefined,
): Declared<T, S> {
  const option: Option<T | undefined> = {
    summary,
    type,
    required: settings.required === true,
    default_value: settings.default,
    schema: { ...schema, description: summary, ...(settings.default === undefined ? {} : { default: settings.default }) },
    read: (value, report) => (value === undefined ? defaultValue : read(value, report)),
  }
  return option as Declared<T, S>
}

/** Text. Numbers and booleans are taken as they are written. */
export function string<const S extends Settings<string>>(summary: string, settings: S = {} as S): Declared<string, S> {
  return declare(summary, 'text', { type: ['string', 'number', 'boolean'] }, settings, readText, settings.default)
}

/** Text with `%{field}` and `%{+yyyy.MM.dd}` in it. */
export function template<const S extends Settings<string>>(summary: string, settings: S = {} as S): Declared<Template, S> {
  const read: ReadValue<Template> = (value, report) => {
    const text = readText(value, report)
    return text === undefined ? undefined : readTemplate(text, value.at, report)
  }
  const preset = settings.default === undefined ? undefined : compileTemplate(settings.default)
  return declare(summary, 'text with %{field}', { type: ['string', 'number', 'boolean'] }, settings, read, preset)
}

export function secret<const S extends Settings<never>>(summary: string, settings: S = {} as S): Declared<Secret, S> {
  const read: ReadValue<Secret> = (value, report) => {
    const text = readText(value, report)
    return text === undefined ? undefined : new Secret(text)
  }
  return declare(summary, 'password', { type: 'string' }, settings, read, undefined)
}

/** A path to a file or folder. Relative paths start at the folder of the config file; the component resolves them. */
export function path<const S extends Settings<string>>(summary: string, settings: S = {} as S): Declared<string, S> {
  return declare(summary, 'path', { type: 'string' }, settings, readText, settings.default)
}

export function boolean<const S extends Settings<boolean>>(summary: string, settings: S = {} as S): Declared<boolean, S> {
  const read: ReadValue<boolean> = (value, report) => {
    if (value.kind === 'boolean') return value.value
    if (value.kind === 'string' && value.value === 'true') return true
    if (value.kind === 'string' && value.value === 'false') return false
    return refuse(value, 'true or false', report)
  }
  return declare(summary, 'boolean', { type: ['boolean', 'string'] }, settings, read, settings.default)
}

interface Range {
  readonly min?: number
  readonly max?: number
}

/** A whole number. Text that is one is taken too. */
export function integer<const S extends Settings<number> & Range>(summary: string, settings: S = {} as S): Declared<number, S> {
  return declare(
    summary,
    'whole number',
    numberSchema('integer', settings),
    settings,
    readNumber('a whole number', settings, true),
    settings.default,
  )
}

export function number<const S extends Settings<number> & Range>(summary: string, settings: S = {} as S): Declared<number, S> {
  return declare(
    summary,
    'number',
    numberSchema('number', settings),
    settings,
    readNumber('a number', settings, false),
    settings.default,
  )
}

/** A size in bytes: `1048576`, `20mb`, `10 KiB`. Without an `i` the units are powers of 1024 too, as in Logstash. */
export function bytes<const S extends Settings<number> & Range>(summary: string, settings: S = {} as S): Declared<number, S> {
  const read: ReadValue<number> = (value, report) => {
    const found = /^(\d+)\s*(?:([kmgt])i?)?b?$/i.exec(readText(value, () => {}) ?? '')
    if (found === null) return refuse(value, 'a size such as 1048576, 20mb or 10 KiB', report)
    const size = Number(found[1]) * 1024 ** ' kmgt'.indexOf((found[2] ?? ' ').toLowerCase())
    if (size < (settings.min ?? 0)) return refuse(value, `a size of at least ${settings.min} bytes`, report)
    return size
  }
  return declare(summary, 'size in bytes', { type: ['string', 'integer'] }, settings, read, settings.default)
}

/** A text that a variable stands in: what it will be is not known yet. */
const FROM_VARIABLE: JsonSchema = { type: 'string', pattern: '\\$\\{.+\\}' }

export function oneOf<const C extends readonly string[], const S extends Settings<C[number]>>(
  summary: string,
  choices: C,
  settings: S = {} as S,
): Declared<C[number], S> {
  const read: ReadValue<C[number]> = (value, report) => {
    const text = readText(value, () => {})
    if (text !== undefined && choices.includes(text)) return text
    return refuse(value, `one of ${choices.join(', ')}`, report, didYouMean(text ?? '', choices))
  }
  return declare(summary, choices.join(' | '), { anyOf: [{ enum: choices }, FROM_VARIABLE] }, settings, read, settings.default)
}

export function fieldRef<const S extends Settings<string>>(summary: string, settings: S = {} as S): Declared<FieldRef, S> {
  const preset = settings.default === undefined ? undefined : parseFieldRef(settings.default)
  return declare(summary, 'field', { type: 'string' }, settings, readFieldRef, preset)
}

/** A list; one value alone is a list of one. */
export function list<const S extends Settings<readonly string[]>>(
  summary: string,
  settings: S = {} as S,
): Declared<readonly string[], S> {
  return declare(
    summary,
    'list of texts',
    listSchema({ type: ['string', 'number', 'boolean'] }),
    settings,
    readList(readText),
    settings.default,
  )
}

export function numbers<const S extends Settings<readonly number[]>>(
  summary: string,
  settings: S = {} as S,
): Declared<readonly number[], S> {
  return declare(
    summary,
    'list of numbers',
    listSchema({ type: 'number' }),
    settings,
    readList(readNumber('a number', {}, false)),
    settings.default,
  )
}

export function fieldRefs<const S extends Settings<readonly string[]>>(
  summary: string,
  settings: S = {} as S,
): Declared<readonly FieldRef[], S> {
  const preset = settings.default?.map(parseFieldRef)
  return declare(summary, 'list of fields', listSchema({ type: 'string' }), settings, readList(readFieldRef), preset)
}

export function templates<const S extends Settings<readonly string[]>>(
  summary: string,
  settings: S = {} as S,
): Declared<readonly Template[], S> {
  const preset = settings.default?.map((text) => compileTemplate(text))
  return declare(
    summary,
    'list of texts with %{field}',
    listSchema({ type: 'string' }),
    settings,
    readTexts(readTemplate),
    preset,
  )
}

/** A list whose texts are read by whoever declares it. */
export function listOf<T>(summary: string, type: string, readItem: ReadItem<T>): Option<readonly T[] | undefined> {
  return declare(summary, type, listSchema({ type: 'string' }), {}, readTexts(readItem), undefined)
}

type ReadItem<T> = (text: string, at: Position, report: Report) => T | undefined

function readTexts<T>(readItem: ReadItem<T>): ReadValue<T[]> {
  return readList((value, report) => {
    const text = readText(value, report)
    return text === undefined ? undefined : readItem(text, value.at, report)
  })
}

/** One entry of a hash, in the order of the file. */
export interface Entry {
  readonly name: string
  readonly name_at: Position
  readonly value: ConfigValue
}

/** Names to values, in the order of the file. A list of an even length is taken as pairs, as Logstash does. */
export function hash<const S extends Settings<{ readonly [name: string]: string }>>(
  summary: string,
  settings: S = {} as S,
): Declared<readonly Entry[], S> {
  const preset: Entry[] | undefined =
    settings.default &&
    Object.entries(settings.default).map(([name, value]) => ({
      name,
      name_at: DEFAULT_POSITION,
      value: { kind: 'string', at: DEFAULT_POSITION, value },
    }))
  return declare(summary, 'hash', { type: 'object' }, settings, readHash, preset)
}

const DEFAULT_POSITION: Position = { file: '(default)', line: 1, column: 1 }

/** A codec: its name, or its name with options (`{ "json": { "target": "doc" } }`, in logstash.conf `json { … }`). */
export function codec(summary: string): Option<ComponentNode | undefined> {
  return declare(summary, 'codec', { type: ['string', 'object'] }, {}, readCodec, undefined)
}

/** Names, each with a codec. */
export function codecs<const S extends Settings<{ readonly [name: string]: string }>>(
  summary: string,
  settings: S = {} as S,
): Declared<ReadonlyMap<string, ComponentNode>, S> {
  const read: ReadValue<ReadonlyMap<string, ComponentNode>> = (value, report) => {
    const entries = readHash(value, report)?.map((entry) => [entry.name, readCodec(entry.value, report)] as const)
    if (entries === undefined || entries.some(([, node]) => node === undefined)) return undefined
    return new Map(entries as [string, ComponentNode][])
  }
  const preset =
    settings.default &&
    new Map(
      Object.entries(settings.default).map(([name, codec_name]): [string, ComponentNode] => [
        name,
        { kind: 'component', at: DEFAULT_POSITION, name: codec_name, options: [] },
      ]),
    )
  return declare(summary, 'hash of codecs', { type: 'object' }, settings, read, preset)
}

/** The codec that a component names, whatever else is wrong with it. */
export function codecOf(node: ComponentNode): ComponentNode | undefined {
  const given = node.options.find(({ name }) => name === 'codec')
  return given === undefined ? undefined : readCodec(given.value, () => {})
}

function readCodec(value: ConfigValue, report: Report): ComponentNode | undefined {
  if (value.kind === 'component') return { ...value, kind: 'component' }
  if (value.kind === 'string') return { kind: 'component', at: value.at, name: value.value, options: [] }
  const only = value.kind === 'hash' && value.entries.length === 1 ? value.entries[0] : undefined
  if (only?.value.kind === 'hash') return { kind: 'component', at: only.at, name: only.name, options: only.value.entries }
  return refuse(value, 'the name of a codec, or one codec with its options', report)
}

function readHash(value: ConfigValue, report: Report): Entry[] | undefined {
  if (value.kind === 'hash') {
    return value.entries.map(({ name, at, value: inner }) => ({ name, name_at: at, value: inner }))
  }
  if (value.kind === 'list' && value.items.length % 2 === 0) {
    const entries: Entry[] = []
    for (let index = 0; index < value.items.length; index += 2) {
      const key = value.items[index] as ConfigValue
      const name = readText(key, report)
      if (name === undefined) return undefined
      entries.push({ name, name_at: key.at, value: value.items[index + 1] as ConfigValue })
    }
    return entries
  }
  return refuse(value, 'a hash of names and values', report)
}

/** The text of a scalar config value; anything else is reported. */
export function readText(value: ConfigValue, report: Report): string | undefined {
  if (value.kind === 'string') return value.value
  if (value.kind === 'number') return value.text
  if (value.kind === 'boolean') return String(value.value)
  return refuse(value, 'text', report)
}

/** A text as a template, or its fault reported at that place. */
export function readTemplate(text: string, at: Position, report: Report): Template | undefined {
  return attempt(() => compileTemplate(text), at, report)
}

/** A text as a field reference, or its fault reported. */
export function readFieldRef(value: ConfigValue, report: Report): FieldRef | undefined {
  const text = readText(value, report)
  return text === undefined ? undefined : attempt(() => parseFieldRef(text), value.at, report)
}

/** Runs what throws for bad config and reports it at the place. */
export function attempt<T>(make: () => T, at: Position, report: Report): T | undefined {
  try {
    return make()
  } catch (thrown) {
    report({ code: 'CONFIG_INVALID_OPTION', at, message: messageOf(thrown) })
    return undefined
  }
}

function readList<T>(readItem: ReadValue<T>): ReadValue<T[]> {
  return (value, report) => {
    const items = value.kind === 'list' ? value.items : [value]
    const read = items.map((item) => readItem(item, report))
    return read.includes(undefined) ? undefined : (read as T[])
  }
}

function readNumber(expected: string, range: Range, whole: boolean): ReadValue<number> {
  return (value, report) => {
    const text = value.kind === 'number' ? value.text : value.kind === 'string' ? value.value.trim() : ''
    const read = /^-?\d+(\.\d*)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN
    const fits = read >= (range.min ?? -Infinity) && read <= (range.max ?? Infinity) && (!whole || Number.isInteger(read))
    return fits ? read : refuse(value, `${expected}${describeRange(range)}`, report)
  }
}

function describeRange({ min, max }: Range): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`
  if (min !== undefined) return ` of at least ${min}`
  return max === undefined ? '' : ` of at most ${max}`
}

function numberSchema(type: string, { min, max }: Range): JsonSchema {
  return {
    type: [type, 'string'],
    ...(min === undefined ? {} : { minimum: min }),
    ...(max === undefined ? {} : { maximum: max }),
  }
}

function listSchema(items: JsonSchema): JsonSchema {
  return { anyOf: [{ type: 'array', items }, items] }
}

function refuse(value: ConfigValue, expected: string, report: Report, hint?: { hint: string }): undefined {
  report({ code: 'CONFIG_INVALID_OPTION', at: value.at, message: `expected ${expected}, got ${describeValue(value)}`, ...hint })
  return undefined
}
