import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { ChainNode } from '../../compile/chain/nodes.ts'
import { loadPipeline } from '../../config/load.ts'
import { ConfigError } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { watchParsing } from '../../core/json/parsing-watch.ts'
import { exchangeLog } from '../../sample/exchange-log.ts'
import { Terminal } from '../../telemetry/terminal.ts'
import { DryRun } from '../dry-run/dry-run.ts'
import { readFlags, type Tool, UsageError } from '../tool.ts'
import { loadVariables, SETTINGS_FOLDER } from '../variables.ts'
import { MeasuredChain } from './measured-chain.ts'
import { type Parsed, tally } from './parsed.ts'
import { type BenchReport, printReport, type Round, reportOf } from './report.ts'

const LINES_MAX = 200_000
const SAMPLE = { seed: 7, start_ms: Date.UTC(2026, 0, 2) }
const SAMPLE_LINES = 20_000
const SECONDS = 5
const SECONDS_MAX = 600

interface BenchCommand {
  readonly config: string
  readonly lines_file: string | undefined
  readonly input: string | undefined
  readonly seconds: number
  readonly settings_folder: string
}

export const bench: Tool = {
  usage: `bin/millrace bench -f FILE: how long each step of a config takes, on this machine and with your own lines

Every filter is the real one; nothing is read from the config's inputs or written to its outputs. Times are those of one core,
without the network: what is left over is for receiving and sending. What makes an event leave the byte path, where it stays the
text that it came as, is told below the table.

  -f, --path.config FILE   the pipeline
      --lines FILE         one event a line, as they arrive at the input  (a sample of exchange logs)
      --input ID           the input whose codec reads them               (the first one)
      --seconds N          how long to measure                            (${SECONDS})
      --path.settings DIR  where millrace.keystore is                     (config)
      --json               figures for machines
`,
  run: async (words) => {
    const { values, positionals } = readFlags(words, {
      'path.config': { type: 'string', short: 'f' },
      lines: { type: 'string' },
      input: { type: 'string' },
      seconds: { type: 'string', default: String(SECONDS) },
      'path.settings': { type: 'string', default: SETTINGS_FOLDER },
      json: { type: 'boolean', default: false },
    })
    const config = values['path.config'] ?? positionals[0]
    if (config === undefined) throw new UsageError('expected a config file: millrace bench -f FILE')
    const seconds = Number(values.seconds)
    if (!(seconds > 0 && seconds <= SECONDS_MAX)) {
      throw new UsageError(`--seconds: expected a number up to ${SECONDS_MAX}, got ${values.seconds}`)
    }
    const { lines: lines_file, input, 'path.settings': settings_folder } = values
    const report = await measure({ config, lines_file, input, seconds, settings_folder })
    process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : printReport(report))
    return 0
  },
}

/** Runs the lines through the pipeline, round after round, until the time is up. The first round only warms up. */
async function measure({ config, lines_file, input, seconds, settings_folder }: BenchCommand): Promise<BenchReport> {
  const { plan, problems } = await loadPipeline(config, await loadVariables(process.env, settings_folder))
  if (problems.length > 0) throw new ConfigError(problems)
  let chain: readonly ChainNode[] = []
  await using run = await DryRun.build(plan, dirname(resolve(config)), (compiled) => {
    chain = compiled.chain
    return compiled
  })
  if (input !== undefined && !run.inputs.includes(input)) {
    throw new UsageError(`--input: expected one of ${run.inputs.join(', ')}, got ${input}`)
  }
  const lines = lines_file === undefined ? sampleLines() : await readLines(lines_file)
  const measured = new MeasuredChain(chain, new AbortController().signal)
  const terminal = new Terminal()
  const end_ms = performance.now() + seconds * 1000
  const rounds: Round[] = []
  await round(run, lines, input, plan.settings.batch_size, measured)
  while (rounds.length === 0 || performance.now() < end_ms) {
    terminal.setStatus(`bench: ${rounds.length} rounds of ${lines.length} lines`)
    measured.reset()
    const ends = await round(run, lines, input, plan.settings.batch_size, measured)
    rounds.push({ ...ends, steps: [...measured.rows.values()].map((row) => ({ ...row })) })
  }
  terminal.setStatus('')
  return reportOf(rounds, lines.length, run)
}

/** All lines once: into events, through the filters, and what comes out as documents. */
async function round(
  run: DryRun,
  lines: readonly string[],
  input: string | undefined,
  batch_size: number,
  chain: MeasuredChain,
): Promise<Omit<Round, 'steps'>> {
  let [decode_ns, print_ns, documents, fields_only, printed_anew] = [0, 0, 0, 0, 0]
  const parsed: Parsed = new Map()
  for (let at = 0; at < lines.length; at += batch_size) {
    watchParsing(tally(parsed))
    const start = process.hrtime.bigint()
    const events = run.decode(lines.slice(at, at + batch_size), input)
    decode_ns += Number(process.hrtime.bigint() - start)
    watchParsing(undefined)
    fields_only += withoutText(events)
    const passed = await chain.run(events)
    printed_anew += withoutText(passed)
    const filtered = process.hrtime.bigint()
    for (const event of passed) event.toJsonText()
    print_ns += Number(process.hrtime.bigint() - filtered)
    documents += passed.length
  }
  return { decode_ns, print_ns, documents, parsed, fields_only, printed_anew }
}

function withoutText(events: readonly Event[]): number {
  return events.filter(({ keepsText }) => !keepsText).length
}

function sampleLines(): string[] {
  return exchangeLog(SAMPLE)
    .take(SAMPLE_LINES)
    .map(({ line }) => line)
    .toArray()
}

/** @throws UsageError where there are none */
async function readLines(file: string): Promise<string[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch {
    throw new UsageError(`--lines: expected a file that can be read, got ${file}`)
  }
  const lines = text.split(/\r?\n/).filter((line) => line !== '')
  if (lines.length === 0) throw new UsageError(`--lines: expected lines in ${file}, found none`)
  return lines.slice(0, LINES_MAX)
}
