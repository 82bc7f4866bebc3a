import { writeFile } from 'node:fs/promises'
import { type LoweredConf, lowerConf } from '../../config/logstash-conf/lower.ts'
import { readSyntax } from '../../config/logstash-conf/read-files.ts'
import type { ConfigSyntax } from '../../config/logstash-conf/syntax.ts'
import { ConfigError, formatPosition, type Position } from '../../core/errors.ts'
import { type ComponentNode, DEFAULT_SETTINGS, type Plan, type PlanNode } from '../../core/plan.ts'
import { readFlags, type Tool, UsageError } from '../tool.ts'
import { findUnconverted, type Unconverted } from './coverage.ts'
import { type PlacedComment, printPipeline } from './print-pipeline.ts'

interface ConvertCommand {
  readonly path: string
  readonly output: string | undefined
  readonly ecs_compatibility: string
  readonly support_escapes: boolean
  readonly is_json: boolean
}

export const convert: Tool = {
  usage: `bin/millrace convert FILE: write a logstash.conf as a pipeline.json, comments kept

FILE may be a folder or a glob, whose files become one pipeline. What cannot be taken over is told on stderr; exit code 1 then.

  -o, --output FILE                  write there                                    (stdout)
      --pipeline.ecs_compatibility   disabled, v1 or v8, as it ran in Logstash      (v8)
      --config.support_escapes       it ran with that setting
      --json                         the report as one JSON object, for machines
`,
  run: async (words) => {
    const { values, positionals } = readFlags(words, {
      'path.config': { type: 'string', short: 'f' },
      output: { type: 'string', short: 'o' },
      'pipeline.ecs_compatibility': { type: 'string', default: 'v8' },
      'config.support_escapes': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    })
    const path = values['path.config'] ?? positionals[0]
    if (path === undefined) throw new UsageError('expected a logstash.conf: millrace convert FILE')
    return await convertFiles({
      path,
      output: values.output,
      ecs_compatibility: values['pipeline.ecs_compatibility'],
      support_escapes: values['config.support_escapes'],
      is_json: values.json,
    })
  },
}

async function convertFiles(command: ConvertCommand): Promise<number> {
  const trees = await readSyntax(command.path)
  const parts = trees.map((tree) =>
    lowerConf(tree, { variables: {}, keeps_variables: true, support_escapes: command.support_escapes }),
  )
  const problems = parts.flatMap((part) => part.problems)
  if (problems.length > 0) throw new ConfigError(problems)
  const plan = merge(parts)
  const text = printPipeline(plan, { ecs_compatibility: command.ecs_compatibility }, trees.flatMap(commentsOf))
  if (command.output === undefined) process.stdout.write(text)
  else await writeFile(command.output, text)
  const components = [...plan.inputs, ...plan.filters, ...plan.outputs].flatMap(componentsOf)
  const unconverted = await findUnconverted(plan, components)
  report(components.length, unconverted, command.is_json)
  return unconverted.length === 0 ? 0 : 1
}

function merge(parts: readonly LoweredConf[]): Plan {
  return {
    settings: DEFAULT_SETTINGS,
    inputs: parts.flatMap(({ inputs }) => inputs),
    filters: parts.flatMap(({ filters }) => filters),
    outputs: parts.flatMap(({ outputs }) => outputs),
    warnings: [],
  }
}

function commentsOf({ comments, source }: ConfigSyntax): PlacedComment[] {
  return comments.map(({ start, text }) => ({ at: source.position(start), text: text.slice(1) }))
}

function componentsOf(node: PlanNode): ComponentNode[] {
  return node.kind === 'if' ? [...node.then, ...node.else].flatMap(componentsOf) : [node]
}

function report(plugins: number, unconverted: readonly Unconverted[], is_json: boolean): void {
  const converted = plugins - new Set(unconverted.map(({ component }) => component)).size
  if (is_json) {
    const findings = unconverted.map(({ at, message, hint }) => ({ ...at, message, hint }))
    process.stderr.write(`${JSON.stringify({ plugins, converted, findings })}\n`)
    return
  }
  for (const { at, message, hint } of unconverted) process.stderr.write(printFinding(at, message, hint))
  process.stderr.write(`${converted} of ${plugins} plugins converted\n`)
}

function printFinding(at: Position, message: string, hint: string | undefined): string {
  return `${formatPosition(at)}: ${message}\n${hint === undefined ? '' : `    ${hint}\n`}`
}
