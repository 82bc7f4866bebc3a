import type { Node, YAMLMap } from 'yaml'
import type { ConfigCode, Position, Problem } from '../../core/errors.ts'
import { yaml } from '../../core/yaml.ts'
import { substituteVariables, type Variables } from '../variables.ts'
import type { Setting, Settings } from './layer.ts'

/** A YAML text as settings: flat (`pipeline.id: x`), nested, or both. */
export interface ReadSettings<T> {
  readonly content: T
  readonly problems: readonly Problem[]
}

/** Reads the text of a `logstash.yml`. */
export function readLogstashYml(text: string, file: string, variables: Variables): ReadSettings<Settings> {
  const reader = new YmlReader(text, file, variables)
  return { content: reader.settings(), problems: reader.problems }
}

/** Reads the text of a `pipelines.yml`: a list of settings, one element for each pipeline. */
export function readPipelinesYml(text: string, file: string, variables: Variables): ReadSettings<readonly Settings[]> {
  const reader = new YmlReader(text, file, variables)
  return { content: reader.pipelines(), problems: reader.problems }
}

/** More aliases than this make a text that grows when it is read. */
const ALIASES_MAX = 100

class YmlReader {
  readonly problems: Problem[] = []
  readonly #file: string
  readonly #variables: Variables
  readonly #lines = new (yaml().LineCounter)()
  readonly #root: Node | null

  constructor(text: string, file: string, variables: Variables) {
    this.#file = file
    this.#variables = variables
    const documents = yaml().parseAllDocuments(text, { lineCounter: this.#lines, merge: true })
    const [first] = Array.isArray(documents) ? documents : []
    for (const { message, pos } of first?.errors ?? []) {
      this.#problem('CONFIG_SYNTAX', pos[0], `not YAML: ${message.split('\n', 1)[0]}`)
    }
    this.#root = (first?.contents as Node | null | undefined) ?? null
    // Aliases are resolved here, once, so that a text cannot grow.
    if (first !== undefined && first.errors.length === 0) first.toJS({ maxAliasCount: ALIASES_MAX })
  }

  settings(): Settings {
    const found = new Map<string, Setting>()
    if (this.#root === null) return found
    if (yaml().isMap(this.#root)) this.#flatten(this.#root, '', found)
    else this.#problem('CONFIG_STRUCTURE', this.#offset(this.#root), 'expected settings such as pipeline.workers: 2')
    return found
  }

  pipelines(): Settings[] {
    if (this.#root === null) return []
    if (!yaml().isSeq(this.#root)) {
      this.#problem(
        'CONFIG_STRUCTURE',
        this.#offset(this.#root),
        'expected a list of pipelines, each beginning with - pipeline.id: NAME',
      )
      return []
    }
    return this.#root.items.flatMap((item) => {
      if (!yaml().isMap(item)) {
        this.#problem('CONFIG_STRUCTURE', this.#offset(item as Node), 'expected the settings of a pipeline')
        return []
      }
      const found = new Map<string, Setting>()
      this.#flatten(item, '', found)
      return [found]
    })
  }

  #flatten(map: YAMLMap, prefix: string, into: Map<string, Setting>): void {
    for (const { key, value } of map.items) {
      const name = `${prefix}${yaml().isScalar(key) ? String(key.value) : ''}`
      const at = this.#at(this.#offset(key as Node))
      if (yaml().isMap(value)) this.#flatten(value, `${name}.`, into)
      else if (yaml().isSeq(value)) into.set(name, { at, value: JSON.stringify(value.toJSON()) })
      else if (yaml().isScalar<string | number | boolean | null>(value) && value.value !== null)
        into.set(name, { at, value: this.#text(String(value.value), value) })
    }
  }

  #text(text: string, node: Node): string {
    return substituteVariables(text, this.#variables, (name) => {
      const message = `Cannot evaluate \`\${${name}}\`. Replacement variable \`${name}\` is not defined in a Logstash secret store or as an Environment entry and there is no default value given.`
      this.#problem('CONFIG_UNRESOLVED_VARIABLE', this.#offset(node), message)
    })
  }

  #offset(node: Node | null): number {
    return node?.range?.[0] ?? 0
  }

  #problem(code: ConfigCode, offset: number, message: string): void {
    this.problems.push({ code, at: this.#at(offset), message })
  }

  #at(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset)
    return { file: this.#file, line, column: col }
  }
}
