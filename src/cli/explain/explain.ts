import { dirname, resolve } from 'node:path'
import { loadPipeline } from '../../config/load.ts'
import { printCondition } from '../../config/print-condition.ts'
import { ConfigError } from '../../core/errors.ts'
import { DryRun } from '../dry-run/dry-run.ts'
import type { Trace } from '../dry-run/trace.ts'
import { readFlags, type Tool, UsageError } from '../tool.ts'
import { loadVariables, SETTINGS_FOLDER } from '../variables.ts'
import { printTraces } from './print-trace.ts'
import { EventsUnreadable, readEvents, readText } from './read-events.ts'

interface ExplainCommand {
  readonly config: string
  readonly is_json: boolean
  readonly as_lines: boolean
  readonly input: string | undefined
  readonly settings_folder: string
}

export const explain: Tool = {
  usage: `bin/millrace explain -f FILE < events: show what each step of a config does to events

Events are JSON objects (pretty or one a line, or a list of them), else lines, which go through the codec of the input.
Nothing is read from the config's inputs or written to its outputs.

  -f, --path.config FILE   the pipeline
      --lines              take lines also where they are JSON objects, as they would arrive at the input
      --input ID           the input that the events come from    (the first one)
      --path.settings DIR  where millrace.keystore is                   (config)
      --json               one JSON object per event, for machines
`,
  run: async (words) => {
    const { values, positionals } = readFlags(words, {
      'path.config': { type: 'string', short: 'f' },
      lines: { type: 'boolean', default: false },
      input: { type: 'string' },
      'path.settings': { type: 'string', default: SETTINGS_FOLDER },
      json: { type: 'boolean', default: false },
    })
    const config = values['path.config'] ?? positionals[0]
    if (config === undefined) throw new UsageError('expected a config file: millrace explain -f FILE < events')
    const { json: is_json, lines: as_lines, input, 'path.settings': settings_folder } = values
    return await explainEvents({ config, is_json, as_lines, input, settings_folder })
  },
}

/**
 * Shows what each step of a config does to events from stdin: which condition held, what a filter changed, where the event
 * goes. Exit code 1 for a config that is refused, unreadable events, or an event that failed in a filter.
 */
async function explainEvents(command: ExplainCommand): Promise<number> {
  try {
    const { plan, problems } = await loadPipeline(command.config, await loadVariables(process.env, command.settings_folder))
    if (problems.length > 0) throw new ConfigError(problems)
    await using run = await DryRun.build(plan, dirname(resolve(command.config)))
    for (const event of readEvents(await readText(process.stdin), run, command)) await run.take(event)
    const traces = await run.finish()
    for (const { level, message } of run.messages) process.stderr.write(`${level}: ${message}\n`)
    if (command.is_json) for (const trace of traces) process.stdout.write(`${printJson(trace, run)}\n`)
    else process.stdout.write(printTraces(traces, run.nodes, process.stdout.hasColors?.() ?? false))
    return traces.some(({ entries }) => entries.some((entry) => entry.kind === 'filter' && entry.fate === 'failed')) ? 1 : 0
  } catch (thrown) {
    if (!(thrown instanceof EventsUnreadable || thrown instanceof RangeError)) throw thrown
    process.stderr.write(`explain: ${thrown.message}\n`)
    return 1
  }
}

/** A trace as one JSON object. Changed values are JSON texts in it, and the document is its own text, so that long numbers stay exact. */
function printJson({ number, parent, entries, event }: Trace, run: DryRun): string {
  const steps = entries.map((entry) => {
    const node = run.nodes.get(entry.where)
    if (node?.kind === 'if') return { ...entry, condition: printCondition(node.condition) }
    return { ...entry, name: node?.name }
  })
  const document = event.cancelled === undefined ? event.toJsonText() : 'null'
  return `${JSON.stringify({ event: number, parent, steps }).slice(0, -1)},"document":${document}}`
}
