// npm run test:faults -- --seed N: real servers, real kills, and a table of what came of it. docs/reliability.md says what each shows.
import { inspect, parseArgs } from 'node:util'
import { Terminal } from '../../src/telemetry/terminal.ts'
import { sum } from '../helpers/books.ts'
import { SCENARIOS } from './scenarios.ts'
import { type Extent, type Figures, FULL, QUICK, type Scenario, Servers, Stage } from './stage.ts'

const USAGE = `npm run test:faults -- [options]
  --seed N      the first seed; default: drawn, and printed
  --seeds N     so many seeds one after the other; default 1
  --only A,C    only these scenarios: ${SCENARIOS.map(({ letter, title }) => `\n                  ${letter} ${title}`).join('')}
  --quick       the stub in place of Elasticsearch, no Kafka, few events: what npm test runs
  --events N    events of a scenario
  --faults N    kills or restarts of a scenario
  --rate N      events a second of all senders together
  --blocked N   seconds that the output is blocked in H
`

/** Of the kills of all seeds. */
const HIT_SHARE_MIN = 0.8

const terminal = new Terminal()

interface Outcome {
  readonly scenario: Scenario
  readonly seed: number
  readonly seconds: number
  readonly figures: Figures | Error
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    events: { type: 'string' },
    faults: { type: 'string' },
    rate: { type: 'string' },
    blocked: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) process.stdout.write(USAGE)
else process.exitCode = await run()

async function run(): Promise<number> {
  const first = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
  const extent = extentOf(values.quick ? QUICK : FULL)
  const letters = values.only?.toUpperCase().split(',')
  const chosen = SCENARIOS.filter((scenario) => letters?.includes(scenario.letter) ?? !(extent.is_quick && scenario.is_full_only))
  const outcomes: Outcome[] = []
  await using servers = new Servers()
  for (let seed = first; seed < first + Number(values.seeds); seed++) {
    terminal.writeLine(`seed ${seed}: npm run test:faults -- --seed ${seed}`)
    for (const scenario of chosen) outcomes.push(await play(scenario, new Stage(extent, seed, servers, progressOf(scenario))))
  }
  terminal.setStatus('')
  process.stdout.write(tableOf(outcomes))
  const hits_enough = faultsHit(outcomes)
  return hits_enough && !outcomes.some(({ figures }) => figures instanceof Error) ? 0 : 1
}

/** Whether enough kills, over all seeds, had something to destroy: a run whose kills hit nothing shows nothing. */
function faultsHit(outcomes: readonly Outcome[]): boolean {
  const total = (name: string): number =>
    sum(outcomes.map(({ figures }) => ('kills' in figures && name in figures ? Number(figures[name]) : 0)))
  const [kills, hits] = [total('kills'), total('with events in flight')]
  if (kills > 0) process.stdout.write(`\n${hits} of ${kills} kills with events in flight\n`)
  return hits >= kills * HIT_SHARE_MIN
}

function extentOf(extent: Extent): Extent {
  const numberOr = (text: string | undefined, otherwise: number): number => (text === undefined ? otherwise : Number(text))
  return {
    ...extent,
    events: numberOr(values.events, extent.events),
    faults: numberOr(values.faults, extent.faults),
    rate: numberOr(values.rate, extent.rate),
    blocked_ms: numberOr(values.blocked, extent.blocked_ms / 1_000) * 1_000,
  }
}

function progressOf({ letter, title }: Scenario): (text: string) => void {
  return (text) => terminal.setStatus(`${letter} ${title}: ${text}`)
}

async function play(scenario: Scenario, stage: Stage): Promise<Outcome> {
  const { letter, title } = scenario
  const started_ms = performance.now()
  stage.progress('starting')
  const figures = await scenario.run(stage).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
  const seconds = Math.round((performance.now() - started_ms) / 1_000)
  if (figures instanceof Error) terminal.writeLine(`${letter} ${title}: FAILED after ${seconds} s\n${inspect(figures)}`)
  else terminal.writeLine(`${letter} ${title}: ${textOf(figures)} (${seconds} s)`)
  return { scenario, seed: stage.seed, seconds, figures }
}

function textOf(figures: Figures | Error): string {
  if (figures instanceof Error) return `**failed**: ${figures.message.split('\n')[0]}`
  const texts = Object.entries(figures).map(([what, figure]) => `${what}: ${figure.toLocaleString('en')}`)
  return texts.join('; ')
}

function tableOf(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(
    ({ scenario, seed, seconds, figures }) => `| ${scenario.letter} | ${seed} | ${textOf(figures)} | ${seconds} |\n`,
  )
  return `\n| | seed | figures | s |\n|---|---|---|---|\n${rows.join('')}`
}
