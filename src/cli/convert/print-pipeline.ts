import { printCondition } from '../../config/print-condition.ts'
import type { Position } from '../../core/errors.ts'
import type { ComponentNode, ConfigValue, IfNode, OptionNode, Plan, PlanNode } from '../../core/plan.ts'

/** A comment of the config that the plan was read from. */
export interface PlacedComment {
  readonly at: Position
  /** Without its `#`. */
  readonly text: string
}

/** As long as a line may become before it is broken up. */
const LINE_LENGTH_MAX = 110

/**
 * Prints a plan as the text of a `pipeline.json`: `settings` as its `pipeline`, components in their order, comments before
 * what they stood before.
 */
export function printPipeline(
  plan: Plan,
  settings: { readonly [name: string]: unknown },
  comments: readonly PlacedComment[],
): string {
  return new PipelinePrinter(comments).print(plan, settings)
}

class PipelinePrinter {
  readonly #comments: PlacedComment[]
  readonly #lines: string[] = []

  constructor(comments: readonly PlacedComment[]) {
    this.#comments = [...comments]
  }

  print(plan: Plan, settings: { readonly [name: string]: unknown }): string {
    this.#lines.push('{', `  "pipeline": ${printValue(settings)},`)
    const sections = [
      ['inputs', plan.inputs],
      ['filters', plan.filters],
      ['outputs', plan.outputs],
    ] as const
    for (const [index, [name, nodes]] of sections.entries()) {
      const comma = index < sections.length - 1 ? ',' : ''
      this.#commentsBefore(nodes[0]?.at, '  ')
      this.#nodes(`"${name}": `, nodes, '  ', comma)
    }
    for (const { text } of this.#comments.splice(0)) this.#lines.push(`  // ${text.trim()}`)
    this.#lines.push('}')
    return `${this.#lines.join('\n')}\n`
  }

  #nodes(label: string, nodes: readonly PlanNode[], indent: string, comma: string): void {
    if (nodes.length === 0) {
      this.#lines.push(`${indent}${label}[]${comma}`)
      return
    }
    this.#lines.push(`${indent}${label}[`)
    for (const [index, node] of nodes.entries()) {
      this.#commentsBefore(node.at, `${indent}  `)
      const end = index < nodes.length - 1 ? ',' : ''
      if (node.kind === 'if') this.#if(node, `${indent}  `, end)
      else this.#component(node, `${indent}  `, end)
    }
    this.#lines.push(`${indent}]${comma}`)
  }

  #if(node: IfNode, indent: string, comma: string): void {
    this.#lines.push(`${indent}{`, `${indent}  "if": ${JSON.stringify(printCondition(node.condition))},`)
    this.#nodes('"then": ', node.then, `${indent}  `, node.else.length > 0 ? ',' : '')
    if (node.else.length > 0) this.#nodes('"else": ', node.else, `${indent}  `, '')
    this.#lines.push(`${indent}}${comma}`)
  }

  #component(node: ComponentNode, indent: string, comma: string): void {
    const short = `${indent}{ ${JSON.stringify(node.name)}: ${printOptions(node.options)} }${comma}`
    if (short.length <= LINE_LENGTH_MAX && !this.#hasCommentBefore(node.options.at(-1)?.at)) {
      this.#lines.push(short)
      this.#commentsBeside(node)
      return
    }
    this.#lines.push(`${indent}{`, `${indent}  ${JSON.stringify(node.name)}: {`)
    for (const [index, { name, at, value }] of node.options.entries()) {
      this.#commentsBefore(at, `${indent}    `)
      this.#value(`${JSON.stringify(name)}: `, value, `${indent}    `, index < node.options.length - 1 ? ',' : '')
    }
    this.#lines.push(`${indent}  }`, `${indent}}${comma}`)
    this.#commentsBeside(node)
  }

  #value(label: string, value: ConfigValue, indent: string, comma: string): void {
    const short = `${indent}${label}${printConfigValue(value)}${comma}`
    const parts = partsOf(value)
    if (short.length <= LINE_LENGTH_MAX || parts === undefined) {
      this.#lines.push(short)
      return
    }
    this.#lines.push(`${indent}${label}${parts.open}`)
    for (const [index, part] of parts.inner.entries()) {
      this.#commentsBefore(part.value.at, `${indent}  `)
      this.#value(part.label, part.value, `${indent}  `, index < parts.inner.length - 1 ? ',' : '')
    }
    this.#lines.push(`${indent}${parts.close}${comma}`)
  }

  /** A comment on the line where a component ends goes on its line here too. */
  #commentsBeside({ at, options }: ComponentNode): void {
    const end = options.at(-1)?.at ?? at
    for (const comment of this.#comments.filter((one) => one.at.file === end.file && one.at.line === end.line)) {
      this.#comments.splice(this.#comments.indexOf(comment), 1)
      this.#lines.push(`${this.#lines.pop() ?? ''} // ${comment.text.trim()}`)
    }
  }

  #hasCommentBefore(at: Position | undefined): boolean {
    return at !== undefined && this.#comments.some((comment) => isBefore(comment.at, at))
  }

  #commentsBefore(at: Position | undefined, indent: string): void {
    if (at === undefined) return
    for (const comment of this.#comments.filter((one) => isBefore(one.at, at))) {
      this.#comments.splice(this.#comments.indexOf(comment), 1)
      this.#lines.push(`${indent}// ${comment.text.trim()}`)
    }
  }
}

function isBefore(a: Position, b: Position): boolean {
  return a.file === b.file && (a.line < b.line || (a.line === b.line && a.column < b.column))
}

interface Parts {
  readonly open: string
  readonly close: string
  readonly inner: readonly { readonly label: string; readonly value: ConfigValue }[]
}

/** What a value that is too long for one line is broken up into. */
function partsOf(value: ConfigValue): Parts | undefined {
  const labelled = ({ name, value: inner }: OptionNode) => ({ label: `${JSON.stringify(name)}: `, value: inner })
  switch (value.kind) {
    case 'list':
      return { open: '[', close: ']', inner: value.items.map((item) => ({ label: '', value: item })) }
    case 'hash':
      return { open: '{', close: '}', inner: value.entries.map(labelled) }
    case 'component':
      return { open: `{ ${JSON.stringify(value.name)}: {`, close: '} }', inner: value.options.map(labelled) }
    default:
      return undefined
  }
}

function printOptions(options: readonly OptionNode[]): string {
  if (options.length === 0) return '{}'
  return `{ ${options.map(({ name, value }) => `${JSON.stringify(name)}: ${printConfigValue(value)}`).join(', ')} }`
}

/** A value of a config on one line. Barewords `true` and `false` become JSON's. */
function printConfigValue(value: ConfigValue): string {
  switch (value.kind) {
    case 'string':
      return value.value === 'true' || value.value === 'false' ? value.value : JSON.stringify(value.value)
    case 'number':
      // `1.` and `010` are numbers there, but none in JSON; as text they mean the same.
      return /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(value.text) ? value.text : JSON.stringify(value.text)
    case 'boolean':
      return String(value.value)
    case 'null':
      return 'null'
    case 'list':
      return `[${value.items.map(printConfigValue).join(', ')}]`
    case 'hash':
      return printOptions(value.entries)
    case 'component':
      return `{ ${JSON.stringify(value.name)}: ${printOptions(value.options)} }`
  }
}

function printValue(settings: { readonly [name: string]: unknown }): string {
  return `{ ${Object.entries(settings)
    .map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`)
    .join(', ')} }`
}
