import { type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser'
import type { Condition } from '../../core/condition.ts'
import { type ConfigCode, ConfigError, didYouMean, type Position, type Problem } from '../../core/errors.ts'
import {
  type ComponentNode,
  type ConfigValue,
  DEFAULT_SETTINGS,
  type OptionNode,
  type PipelineSettings,
  type Plan,
  type PlanNode,
  type PlanWarning,
} from '../../core/plan.ts'
import { ConditionError, parseCondition } from '../condition-parser.ts'
import { SourceText } from '../source-text.ts'
import { substituteVariables, type Variables } from '../variables.ts'
import { readSettings } from './settings.ts'

/** A plan with what could be read, and what is wrong beside that. */
export interface ReadPlan {
  readonly plan: Plan
  readonly problems: readonly Problem[]
}

/**
 * Reads the text of a `pipeline.json` (comments and trailing commas allowed):
 *
 *     { "pipeline": { settings }, "inputs": [ component … ], "filters": [ component or if … ], "outputs": [ … ] }
 *     component = { "name": { options, "enabled": boolean or text } }
 *     if        = { "if": "condition", "then": [ … ], "else": [ … ] }
 *
 * @throws ConfigError with everything that is wrong
 */
export function readPipelineJson(text: string, file: string, variables: Variables): Plan {
  const { plan, problems } = readWhatIsThere(text, file, variables)
  if (problems.length > 0) throw new ConfigError(problems)
  return plan
}

/**
 * The same for who goes on to look for what is wrong in the rest, so that a person hears of everything at once.
 * @param filters_only inputs and outputs need not be there
 * @throws ConfigError for text that is no JSON object: there is no rest
 */
export function readWhatIsThere(text: string, file: string, variables: Variables, filters_only = false): ReadPlan {
  return new PipelineReader(new SourceText(file, text), variables).read(filters_only)
}

const SECTIONS = ['inputs', 'filters', 'outputs'] as const
const TOP_LEVEL = ['$schema', 'pipeline', ...SECTIONS]
const IF_KEYS = ['if', 'then', 'else']

const ANY_CONDITION: Condition = { kind: 'truthy', operand: { kind: 'string', value: '' } }

class PipelineReader {
  readonly #source: SourceText
  readonly #variables: Variables
  readonly #problems: Problem[] = []
  readonly #warnings: PlanWarning[] = []

  constructor(source: SourceText, variables: Variables) {
    this.#source = source
    this.#variables = variables
  }

  read(filters_only: boolean): ReadPlan {
    const root = this.#parse()
    let settings: PipelineSettings = DEFAULT_SETTINGS
    const sections: { [section in (typeof SECTIONS)[number]]: PlanNode[] } = { inputs: [], filters: [], outputs: [] }
    for (const { name, at, node } of this.#members(root)) {
      if (name === 'pipeline') settings = readSettings(this.#value(node), (problem) => this.#problems.push(problem))
      else if (isSection(name)) sections[name] = this.#nodes(node)
      else if (name !== '$schema') this.#unknown(name, at, TOP_LEVEL, 'a pipeline')
    }
    if (sections.inputs.length === 0 && !filters_only) this.#empty(root, 'input')
    if (sections.outputs.length === 0 && !filters_only) this.#empty(root, 'output')
    return { plan: { settings, ...sections, warnings: this.#warnings }, problems: this.#problems }
  }

  #parse(): Node {
    const errors: ParseError[] = []
    const root = parseTree(this.#source.text, errors, { allowTrailingComma: true, disallowComments: false })
    // Only the first one: those behind it mostly follow from it.
    for (const { error, offset } of errors.slice(0, 1)) {
      this.#problem('CONFIG_SYNTAX', offset, `not JSON: ${describeSyntaxError(printParseErrorCode(error))}`)
    }
    if (root?.type === 'object' && errors.length === 0) return root
    if (errors.length === 0)
      this.#problem('CONFIG_STRUCTURE', root?.offset ?? 0, 'expected an object with inputs, filters and outputs')
    throw new ConfigError(this.#problems)
  }

  #nodes(list: Node): PlanNode[] {
    if (list.type !== 'array') {
      this.#problem('CONFIG_STRUCTURE', list.offset, 'expected a list of components')
      return []
    }
    return (list.children ?? []).flatMap((node) => this.#node(node) ?? [])
  }

  #node(node: Node): PlanNode | undefined {
    if (node.type !== 'object') {
      this.#problem(
        'CONFIG_STRUCTURE',
        node.offset,
        `expected an object with one key, the name of a component, got a ${node.type}`,
      )
      return undefined
    }
    const members = this.#members(node)
    if (members.some(({ name }) => name === 'if')) return this.#ifNode(node, members)
    const [member, second] = members
    if (member === undefined || second !== undefined) {
      const what = second === undefined ? 'nothing' : `the keys ${members.map(({ name }) => name).join(', ')}`
      this.#problem('CONFIG_STRUCTURE', node.offset, `expected an object with one key, the name of a component, got ${what}`)
      return undefined
    }
    return this.#component(member)
  }

  #ifNode(node: Node, members: readonly Member[]): PlanNode | undefined {
    for (const { name, at } of members) if (!IF_KEYS.includes(name)) this.#unknown(name, at, IF_KEYS, 'an if')
    const of = (name: string): Node | undefined => members.find((member) => member.name === name)?.node
    const condition = of('if')
    const then = of('then')
    if (then === undefined)
      this.#problem('CONFIG_STRUCTURE', node.offset, 'expected "then" beside "if": what to do with events that fit')
    const otherwise = of('else')
    const thenNodes = then === undefined ? [] : this.#nodes(then)
    const elseNodes = otherwise === undefined ? [] : this.#nodes(otherwise)
    if (condition === undefined) return undefined
    // A condition that was refused stands for any other, so that what hangs on it is looked at too.
    const parsed = this.#condition(condition) ?? ANY_CONDITION
    return { kind: 'if', at: this.#at(node.offset), condition: parsed, then: thenNodes, else: elseNodes }
  }

  #condition(node: Node): ReturnType<typeof parseCondition> | undefined {
    if (node.type !== 'string') {
      this.#problem('CONFIG_INVALID_CONDITION', node.offset, 'expected a condition as text, such as "[level] == \\"error\\""')
      return undefined
    }
    const text = this.#substitute(node.value as string, node.offset)
    try {
      return parseCondition(text)
    } catch (thrown) {
      if (!(thrown instanceof ConditionError)) throw thrown
      const offset = text === node.value ? node.offset + this.#sourceOffset(node, thrown.offset) : node.offset
      this.#problem('CONFIG_INVALID_CONDITION', offset, thrown.message, thrown.hint)
      return undefined
    }
  }

  /** Where a character of a JSON text stands in the source: an escape takes several characters there. */
  #sourceOffset(node: Node, characters: number): number {
    let offset = 1
    for (let seen = 0; seen < characters; seen++) {
      const escaped = this.#source.text[node.offset + offset] === '\\'
      offset += escaped ? (this.#source.text[node.offset + offset + 1] === 'u' ? 6 : 2) : 1
    }
    return offset
  }

  #component({ name, at, node }: Member): ComponentNode | undefined {
    if (node.type !== 'object') {
      this.#problem('CONFIG_STRUCTURE', node.offset, `expected the options of ${name} as an object`)
      return undefined
    }
    const members = this.#members(node)
    const enabled = members.find((member) => member.name === 'enabled')
    // First of all: a component that is off needs none of its variables.
    if (enabled !== undefined && !this.#isEnabled(this.#option(enabled))) return undefined
    const options = members.filter((member) => member !== enabled).map((member) => this.#option(member))
    return { kind: 'component', at: this.#at(at), name, options }
  }

  #option({ name, at, node }: Member): OptionNode {
    return { name, at: this.#at(at), value: this.#value(node) }
  }

  #isEnabled({ value }: OptionNode): boolean {
    if (value.kind === 'boolean') return value.value
    if (value.kind === 'string') {
      const negated = value.value.startsWith('!')
      const text = (negated ? value.value.slice(1) : value.value).trim()
      return (text !== '' && text !== 'false' && text !== '0') !== negated
    }
    if (value.kind === 'number') return value.value !== 0
    this.#problems.push({ code: 'CONFIG_INVALID_OPTION', at: value.at, message: 'enabled: expected true, false or a text' })
    return true
  }

  #value(node: Node): ConfigValue {
    const at = this.#at(node.offset)
    switch (node.type) {
      case 'string':
        return { kind: 'string', at, value: this.#substitute(node.value as string, node.offset) }
      case 'number':
        return {
          kind: 'number',
          at,
          value: node.value as number,
          text: this.#source.text.slice(node.offset, node.offset + node.length),
        }
      case 'boolean':
        return { kind: 'boolean', at, value: node.value as boolean }
      case 'array':
        return { kind: 'list', at, items: (node.children ?? []).map((child) => this.#value(child)) }
      case 'object':
        return {
          kind: 'hash',
          at,
          entries: this.#members(node).map((member) => this.#option(member)),
        }
      default:
        return { kind: 'null', at }
    }
  }

  #members(node: Node): Member[] {
    if (node.type !== 'object') {
      this.#problem('CONFIG_STRUCTURE', node.offset, `expected an object, got ${node.type}`)
      return []
    }
    const members: Member[] = []
    for (const property of node.children ?? []) {
      const [key, value] = property.children ?? []
      if (key === undefined || value === undefined) continue
      const name = key.value as string
      if (members.some((member) => member.name === name)) {
        this.#problem(
          'CONFIG_STRUCTURE',
          key.offset,
          `the key "${name}" comes twice in one object`,
          'JSON would keep the last one only',
        )
      }
      members.push({ name, at: key.offset, node: value })
    }
    return members
  }

  #substitute(text: string, offset: number): string {
    return substituteVariables(text, this.#variables, (name) => {
      this.#problem(
        'CONFIG_UNRESOLVED_VARIABLE',
        offset,
        `Cannot evaluate \`\${${name}}\`: no environment variable ${name} and no default`,
        `set it, or write \${${name}:default}`,
      )
    })
  }

  #unknown(name: string, offset: number, known: readonly string[], of: string): void {
    this.#problem(
      'CONFIG_STRUCTURE',
      offset,
      `unknown key "${name}" of ${of}`,
      didYouMean(name, known)?.hint ?? `keys are: ${known.join(', ')}`,
    )
  }

  #empty(root: Node, kind: string): void {
    const hint = `put one into "${kind}s", or look at the "enabled" of those that are there`
    this.#problem('CONFIG_STRUCTURE', root.offset, `expected at least one enabled ${kind}`, hint)
  }

  #problem(code: ConfigCode, offset: number, message: string, hint?: string): void {
    this.#problems.push({ code, at: this.#at(offset), message, ...(hint === undefined ? {} : { hint }) })
  }

  #at(offset: number): Position {
    return this.#source.position(offset)
  }
}

interface Member {
  readonly name: string
  /** Offset of the name. */
  readonly at: number
  readonly node: Node
}

function isSection(name: string): name is (typeof SECTIONS)[number] {
  return (SECTIONS as readonly string[]).includes(name)
}

/** `CommaExpected` -> `comma expected`. */
function describeSyntaxError(code: string): string {
  return code.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
}
