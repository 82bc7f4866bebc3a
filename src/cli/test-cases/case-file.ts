import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { getNodeValue, type Node, type ParseError, parseTree, printParseErrorCode, stripComments } from 'jsonc-parser'
import { SourceText } from '../../config/source-text.ts'
import { ConfigError, didYouMean, type Position, type Problem } from '../../core/errors.ts'

/** A file of cases beside a config. */
export interface CaseFile {
  readonly path: string
  /** Path of the config that the cases are about. */
  readonly config: string
  /** For `${VAR}` in the config, before those of the environment. */
  readonly variables: { readonly [name: string]: string }
  readonly cases: readonly TestCase[]
}

export interface TestCase {
  readonly name: string
  readonly at: Position
  /** Id of the input that the events come from; the first one where left out. */
  readonly from: string | undefined
  /** JSON objects are events, texts go through the codec of the input. */
  readonly input: readonly { readonly kind: 'text' | 'json'; readonly text: string }[]
  /** The JSON documents that come out, in their order. */
  readonly output: readonly string[]
  /** Fields that do not count, with all that is in them. */
  readonly ignore: readonly string[]
}

const FILE_KEYS = ['$schema', 'config', 'variables', 'ignore', 'cases']
const CASE_KEYS = ['name', 'from', 'input', 'output', 'ignore']

/**
 * Reads `NAME.test.json` (comments allowed):
 *
 *     { "config": "logstash.conf", "variables": { "HOST": "x" }, "ignore": ["[host]"],
 *       "cases": [ { "name": "an error is tagged", "input": ["a line", { "level": "error" }], "output": [ { … } ] } ] }
 *
 * Without `config`, it is `NAME.conf` or `NAME.json` beside it.
 * @throws ConfigError with everything that is wrong
 */
export async function readCaseFile(path: string, exists: (path: string) => boolean): Promise<CaseFile> {
  return new CaseFileReader(path, await readFile(path, 'utf8'), exists).read()
}

class CaseFileReader {
  readonly #path: string
  /** Without comments, which became blanks: offsets are those of the file. */
  readonly #text: string
  readonly #source: SourceText
  readonly #exists: (path: string) => boolean
  readonly #problems: Problem[] = []

  constructor(path: string, text: string, exists: (path: string) => boolean) {
    this.#path = path
    this.#text = stripComments(text, ' ')
    this.#source = new SourceText(path, text)
    this.#exists = exists
  }

  read(): CaseFile {
    const errors: ParseError[] = []
    const root = parseTree(this.#text, errors, { allowTrailingComma: false })
    const [first] = errors
    if (first !== undefined) this.#problem(first.offset, `not JSON: ${printParseErrorCode(first.error)}`)
    else if (root?.type !== 'object') this.#problem(root?.offset ?? 0, 'expected an object with "cases"')
    if (root === undefined || this.#problems.length > 0) throw new ConfigError(this.#problems)
    const members = this.#members(root, FILE_KEYS, 'a case file')
    const shared = this.#texts(members.get('ignore'))
    const list = members.get('cases')
    if (list?.type !== 'array') this.#problem(list?.offset ?? root.offset, 'expected "cases": a list of cases')
    const cases = (list?.children ?? []).map((node) => this.#case(node, shared))
    const config = this.#config(members.get('config'), root)
    if (this.#problems.length > 0) throw new ConfigError(this.#problems)
    return { path: this.#path, config, variables: this.#variables(members.get('variables')), cases }
  }

  #config(node: Node | undefined, root: Node): string {
    const folder = dirname(this.#path)
    if (node?.type === 'string') return join(folder, String(node.value))
    const name = basename(this.#path).replace(/\.test\.jsonc?$/, '')
    const beside = ['.conf', '.json', '.jsonc'].map((ending) => join(folder, name + ending))
    const found = beside.find(this.#exists)
    if (found === undefined) {
      this.#problem(
        node?.offset ?? root.offset,
        `expected "config": the config that the cases are about, for there is no ${name}.conf beside them`,
      )
    }
    return found ?? ''
  }

  #variables(node: Node | undefined): { [name: string]: string } {
    const given = node === undefined ? {} : (getNodeValue(node) as { [name: string]: unknown })
    return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)]))
  }

  #case(node: Node, shared: readonly string[]): TestCase {
    const members = this.#members(node, CASE_KEYS, 'a case')
    const name = members.get('name')
    if (name?.type !== 'string') this.#problem(node.offset, 'expected "name": what the case shows')
    const [input, output] = [members.get('input'), members.get('output')]
    for (const [key, list] of [
      ['input', input],
      ['output', output],
    ] as const) {
      if (list?.type !== 'array') this.#problem(list?.offset ?? node.offset, `expected "${key}": a list`)
    }
    return {
      name: String(name?.value ?? ''),
      at: this.#source.position(node.offset),
      from: members.get('from')?.value as string | undefined,
      input: (input?.children ?? []).map((item) =>
        item.type === 'string' ? { kind: 'text', text: String(item.value) } : { kind: 'json', text: this.#object(item) },
      ),
      output: (output?.children ?? []).map((item) => this.#object(item)),
      ignore: [...shared, ...this.#texts(members.get('ignore'))],
    }
  }

  /** The text of an object as it stands in the file: its numbers are exact there. */
  #object(node: Node): string {
    if (node.type !== 'object') this.#problem(node.offset, `expected an object, got a ${node.type}`)
    return this.#text.slice(node.offset, node.offset + node.length)
  }

  #texts(node: Node | undefined): string[] {
    if (node === undefined) return []
    const items = node.type === 'array' ? (node.children ?? []) : []
    if (node.type !== 'array' || items.some(({ type }) => type !== 'string')) {
      this.#problem(node.offset, 'expected a list of fields, such as ["@timestamp", "[host][name]"]')
    }
    return items.map(({ value }) => String(value))
  }

  #members(node: Node, known: readonly string[], of: string): Map<string, Node> {
    if (node.type !== 'object') this.#problem(node.offset, `expected ${of} as an object, got a ${node.type}`)
    const members = new Map<string, Node>()
    for (const { children: [key, value] = [] } of node.type === 'object' ? (node.children ?? []) : []) {
      if (key === undefined || value === undefined) continue
      const name = String(key.value)
      if (known.includes(name)) members.set(name, value)
      else
        this.#problem(
          key.offset,
          `unknown key "${name}" of ${of}`,
          didYouMean(name, known)?.hint ?? `keys are: ${known.join(', ')}`,
        )
    }
    return members
  }

  #problem(offset: number, message: string, hint?: string): void {
    const at = this.#source.position(offset)
    this.#problems.push({ code: 'CONFIG_STRUCTURE', at, message, ...(hint === undefined ? {} : { hint }) })
  }
}
