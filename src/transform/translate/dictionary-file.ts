import { readFile, stat } from 'node:fs/promises'
import { MillraceError, messageOf } from '../../core/errors.ts'
import { parseJson } from '../../core/json/json.ts'
import { textOf } from '../../core/template.ts'
import { type Fields, isFields, type Value } from '../../core/values.ts'
import { yaml } from '../../core/yaml.ts'
import type { Dictionary } from './lookup.ts'

/** A larger file would fill the memory: its entries take several times its size. */
const FILE_BYTES_MAX = 256 * 1024 * 1024

/** The text of a dictionary's file. */
export interface DictionaryText {
  readonly text: string
  /** Changes whenever somebody writes to the file or puts another one in its place. */
  readonly state: string
}

export async function readState(path: string): Promise<string> {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
  if (size > FILE_BYTES_MAX) throw unreadable(path, `expected at most ${FILE_BYTES_MAX} bytes, got ${size}`)
  return [ino, size, mtimeNs, ctimeNs].join()
}

/** @throws MillraceError OPTION_INVALID */
export async function readText(path: string): Promise<DictionaryText> {
  try {
    const state = await readState(path)
    return { state, text: (await readFile(path, 'utf8')).replace(/^\ufeff/, '') }
  } catch (thrown) {
    throw thrown instanceof MillraceError ? thrown : unreadable(path, messageOf(thrown))
  }
}

/**
 * Reads a dictionary by the ending of its file's name: .yml, .yaml, .json or .csv.
 * @throws MillraceError OPTION_INVALID
 */
export function readDictionary(path: string, text: string, yaml_chars_max: number): Dictionary {
  const read = READERS.find(([ending]) => ending.test(path))?.[1]
  if (read === undefined) throw unreadable(path, 'expected a name that ends in .yml, .yaml, .json or .csv')
  try {
    return read(text, yaml_chars_max)
  } catch (thrown) {
    throw unreadable(path, messageOf(thrown))
  }
}

const READERS: readonly (readonly [RegExp, (text: string, yaml_chars_max: number) => Dictionary])[] = [
  [/\.ya?ml$/, readYaml],
  [/\.json$/, (text) => mapOf(parseJson(text).value)],
  [/\.csv$/, readCsv],
]

/** YAML 1.1, as Logstash reads it: `yes` is true. Names that are numbers are taken by their text. */
function readYaml(text: string, chars_max: number): Dictionary {
  if (text.length > chars_max) {
    throw new Error(`expected at most ${chars_max} characters (yaml_dictionary_code_point_limit), got ${text.length}`)
  }
  const document: unknown = yaml().parse(text, { version: '1.1', logLevel: 'error', uniqueKeys: false })
  return document === null ? new Map() : mapOf(valueOf(document))
}

function mapOf(value: Value): Dictionary {
  if (!isFields(value)) throw new Error('expected names and their translations')
  return new Map(Object.entries(value).map(([name, inner]) => [name, inner ?? null]))
}

/** What the YAML library makes of a document as a value of ours. */
function valueOf(read: unknown): Value {
  if (read instanceof Date) return read.toISOString()
  if (read instanceof Map) return fieldsOf(read.entries())
  if (Array.isArray(read) || read instanceof Set) return Array.from(read, valueOf)
  if (typeof read === 'object' && read !== null) return fieldsOf(Object.entries(read))
  if (typeof read === 'string' || typeof read === 'number' || typeof read === 'boolean' || typeof read === 'bigint') return read
  return null
}

function fieldsOf(entries: Iterable<[unknown, unknown]>): Fields {
  return Object.fromEntries(Array.from(entries, ([name, inner]) => [textOf(valueOf(name)), valueOf(inner)]))
}

/** The first two columns of each line; what follows is left out, and a line without a second column translates to null. */
function readCsv(text: string): Dictionary {
  const dictionary = new Map<string, Value>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '') continue
    const [key, value] = columnsOf(line, index + 1)
    dictionary.set(key ?? '', value ?? null)
  }
  return dictionary
}

const COLUMN = /(?:"((?:[^"]|"")*)"|([^",]*))(?:,|$)/y

function columnsOf(line: string, number: number): string[] {
  const columns: string[] = []
  COLUMN.lastIndex = 0
  while (columns.length < 2 && (COLUMN.lastIndex < line.length || line[COLUMN.lastIndex - 1] === ',')) {
    const at = COLUMN.lastIndex
    const found = COLUMN.exec(line)
    if (found === null) throw new Error(`line ${number}, column ${at + 1}: a quote where none can be`)
    columns.push(found[1] === undefined ? (found[2] ?? '') : found[1].replaceAll('""', '"'))
  }
  return columns
}

function unreadable(path: string, why: string): MillraceError {
  return new MillraceError('OPTION_INVALID', `cannot load the dictionary ${path}: ${why}`)
}
