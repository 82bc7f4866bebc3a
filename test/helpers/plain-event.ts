import { type Fields, isFields, SourceNumber, setMember, type Value } from '../../src/core/values.ts'
import type { Line } from './made-lines.ts'

/** Where none of it is found there is no number but short whole ones, and no half of a character. */
const PERHAPS_SPECIAL = /[:,[\s]-?(?:\d+[.eE]|\d{16}|(?<=-)0)|\\u[dD]|[\ud800-\udfff]/
const TEXT_OR_NUMBER = /"[^"\\]*(?:\\[^][^"\\]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\s*:)/g
const SHORT_WHOLE = /^-?\d{1,15}$/
const MARK = '\u007f#'

/** What a JSON text says, by JSON.parse. @throws SyntaxError */
export function plainValue(text: string): Value {
  return PERHAPS_SPECIAL.test(text) ? withNumbers(markedValue(text)) : (JSON.parse(text) as Value)
}

/** The same with texts for all numbers but short whole ones, so that they can be told apart by how they are written. */
export function markedValue(text: string): Value {
  if (!PERHAPS_SPECIAL.test(text)) return JSON.parse(text) as Value
  // What is no number, such as 01 or 1., leaves two values side by side or something behind one; none may become a name.
  const marked = text.replace(TEXT_OR_NUMBER, (found) =>
    found.startsWith('"') || SHORT_WHOLE.test(found) ? found : `"${MARK}${found}"`,
  )
  return JSON.parse(marked) as Value
}

function withNumbers(value: Value): Value {
  if (typeof value === 'string') {
    if (value.startsWith(MARK)) return plainNumber(value.slice(MARK.length))
    return value.isWellFormed() ? value : ''
  }
  if (typeof value === 'number') return value === 0 ? 0 : value
  if (Array.isArray(value)) return value.map(withNumbers)
  if (!isFields(value)) return value
  for (const name of Object.keys(value)) {
    const inner = value[name] ?? null
    const exact = withNumbers(inner)
    if (!Object.is(exact, inner)) setMember(value, name, exact)
  }
  return value
}

function plainNumber(text: string): Value {
  const rough = Number(text)
  if (/^-?\d+$/.test(text)) return Number.isSafeInteger(rough) ? rough || 0 : BigInt(text)
  return String(rough) === text ? rough : new SourceNumber(text)
}

/** The same of the first object or list where one begins the text, however the text goes on. @throws SyntaxError */
function plainFirst(text: string): Value {
  try {
    return plainValue(text)
  } catch (thrown) {
    const end = /^[\t-\r ]*[[{]/.test(text) ? endOfFirst(text) : text.length
    if (end === text.length) throw thrown
    return plainValue(text.slice(0, end))
  }
}

const TEXT_OR_BRACKET = /"(?:[^"\\]|\\[^])*"|[[\]{}]/g

function endOfFirst(text: string): number {
  let depth = 0
  for (const { 0: found, index } of text.matchAll(TEXT_OR_BRACKET)) {
    if (found === '[' || found === '{') depth++
    else if (found.length === 1 && --depth === 0) return index + 1
  }
  return text.length
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * The objects in a line that a json codec takes for a message, by which others are judged; where there are none the one that the
 * codec is to make of it.
 */
export function plainObjects(line: Line): { readonly objects: readonly Fields[]; readonly fails: boolean } {
  const text = typeof line === 'string' ? line : decoder.decode(line)
  const bare = text.replace(/^\ufeff/, '')
  if (bare.trim() === '') return { objects: [], fails: false }
  const objects = objectsOf(bare)
  return { objects: objects ?? [{ message: text, tags: ['_jsonparsefailure'] }], fails: objects === undefined }
}

function objectsOf(text: string): readonly Fields[] | undefined {
  try {
    const value = plainFirst(text)
    const items = Array.isArray(value) ? value : [value]
    return items.every(isFields) ? items : undefined
  } catch {
    return undefined
  }
}
