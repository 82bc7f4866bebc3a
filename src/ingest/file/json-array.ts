import { jsonParser } from 'stream-json/core/parser.js'
import { numberOf } from '../../core/json/exact-number.ts'
import { JSON_DEPTH_MAX } from '../../core/json/json.ts'
import { type Fields, setMember, type Value } from '../../core/values.ts'

/** One element of a list, or why it was not kept. */
export type Element =
  | { readonly kind: 'value'; readonly value: Value; readonly exact: boolean }
  | { readonly kind: 'refused'; readonly reason: 'too_large' | 'too_deep'; readonly size_bytes: number }

/**
 * Reads a JSON text that is one list, element by element, in bounded memory: one element of at most `size_bytes_max`
 * bytes is held. Numbers keep their text.
 * @throws Error where the text is not JSON, or no list; the elements before were handed over
 */
export async function readJsonArray(
  source: AsyncIterable<Buffer>,
  size_bytes_max: number,
  take: (element: Element) => Promise<void>,
): Promise<void> {
  const assembler = new ElementAssembler(size_bytes_max)
  // Nothing is packed, so that a string of a gigabyte comes in pieces and can be refused. The parser is called as
  // a function: as a stream it costs four times as much, one turn of the stream machinery for each token.
  const parse = jsonParser({ packKeys: false, packStrings: false, packNumbers: false })
  // It drops a byte order mark too.
  const decoder = new TextDecoder()
  for await (const piece of source) {
    const parsed = parse(decoder.decode(piece, { stream: true })) as Parsed
    for (const token of typeof parsed === 'symbol' ? [] : parsed.values) {
      const element = assembler.take(token)
      if (element !== undefined) await take(element)
    }
  }
  assembler.finish()
}

/** The parser's answer to a piece: its tokens, or a symbol where the piece completes none. */
type Parsed = symbol | { readonly values: readonly Token[] }

interface Token {
  readonly name: string
  /** Text, except for the constants, whose value is the constant itself. */
  readonly value?: string | boolean | null
}

type Holder = { readonly items: Value[] } | { readonly fields: Fields; key: string }

/** What a token stands for in memory, roughly: a list of a million nulls is not small. */
const TOKEN_BYTES = 8

class ElementAssembler {
  readonly #size_bytes_max: number
  /** The containers that are open, the outermost list not among them. */
  #open: Holder[] = []
  #depth = 0
  #began = false
  #text = ''
  #size_bytes = 0
  #exact = false
  #refused: 'too_large' | 'too_deep' | undefined

  constructor(size_bytes_max: number) {
    this.#size_bytes_max = size_bytes_max
  }

  /** @throws SyntaxError where the list has not come to its end */
  finish(): void {
    if (this.#depth > 0 || !this.#began) throw new SyntaxError('expected a JSON list, but the file ends before the list does')
  }

  /** The element that this token completes. */
  take({ name, value }: Token): Element | undefined {
    const text = typeof value === 'string' ? value : ''
    if (this.#depth === 0 && name !== 'startArray') throw new SyntaxError(`expected a JSON list, got ${name}`)
    this.#size_bytes += text.length + TOKEN_BYTES
    if (this.#size_bytes > this.#size_bytes_max && this.#refused === undefined) this.#refuse('too_large')
    switch (name) {
      case 'startArray':
        return this.#begin({ items: [] })
      case 'startObject':
        return this.#begin({ fields: {}, key: '' })
      case 'endArray':
      case 'endObject':
        return this.#end()
      case 'startKey':
      case 'startString':
      case 'startNumber':
        this.#text = ''
        return undefined
      case 'stringChunk':
      case 'numberChunk':
        if (this.#refused === undefined) this.#text += text
        return undefined
      case 'endKey':
        return this.#name(this.#text)
      case 'endString':
        return this.#put(this.#text)
      case 'endNumber':
        return this.#put(this.#number())
      case 'nullValue':
        return this.#put(null)
      case 'trueValue':
      case 'falseValue':
        return this.#put(name === 'trueValue')
      default:
        return undefined
    }
  }

  #begin(holder: Holder): undefined {
    this.#depth++
    this.#began = true
    if (this.#depth === 1) this.#size_bytes = 0
    else if (this.#depth - 1 > JSON_DEPTH_MAX) this.#refuse('too_deep')
    else if (this.#refused === undefined) this.#open.push(holder)
  }

  #end(): Element | undefined {
    this.#depth--
    if (this.#depth === 0) return undefined
    const closed = this.#open.pop()
    return this.#put(closed === undefined ? null : 'items' in closed ? closed.items : closed.fields)
  }

  #name(key: string): undefined {
    const holder = this.#open.at(-1)
    if (holder !== undefined && 'fields' in holder) holder.key = key
  }

  #number(): Value {
    if (this.#refused !== undefined) return null
    const number = numberOf(this.#text)
    if (typeof number === 'bigint') this.#exact = true
    return number
  }

  #put(value: Value): Element | undefined {
    if (this.#depth === 1) return this.#complete(value)
    const holder = this.#open.at(-1)
    if (holder === undefined || this.#refused !== undefined) return undefined
    if ('items' in holder) holder.items.push(value)
    else setMember(holder.fields, holder.key, value)
    return undefined
  }

  #complete(value: Value): Element {
    const element: Element =
      this.#refused === undefined
        ? { kind: 'value', value, exact: this.#exact }
        : { kind: 'refused', reason: this.#refused, size_bytes: this.#size_bytes }
    this.#open = []
    this.#text = ''
    this.#size_bytes = 0
    this.#exact = false
    this.#refused = undefined
    return element
  }

  #refuse(reason: 'too_large' | 'too_deep'): void {
    this.#refused ??= reason
    this.#open = []
    this.#text = ''
  }
}
