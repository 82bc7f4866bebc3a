import { join } from 'node:path'
import type { ConfigRequest } from '../../config/load.ts'
import { ConfigError, MillraceError } from '../../core/errors.ts'
import { ByteBudget } from '../../runtime/byte-budget.ts'
import type { LedgerTotals } from '../../runtime/ledger.ts'
import { Pipeline } from '../../runtime/pipeline.ts'
import { RecentEvents } from '../../runtime/recent-events.ts'
import { removeDoneSegments } from '../../storage/done-segments.ts'
import { lockFolder } from '../../storage/folder-lock.ts'
import { ReplayMarker } from '../../storage/replay-marks.ts'
import { createLog, type ProgramLog } from '../../telemetry/log.ts'
import { MetricsRegistry } from '../../telemetry/metrics.ts'
import { Terminal } from '../../telemetry/terminal.ts'
import { type Choice, chosenLetters, DamageReport } from './choice.ts'
import { type CompiledReplay, compileReplay, type ReplayConfig, readReplayConfig } from './replay-config.ts'
import { dryReplay } from './replay-dry.ts'
import { ReplaySource } from './replay-source.ts'

const PROGRESS_MS = 200

export interface ReplayCommand {
  readonly choice: Choice
  readonly config: ConfigRequest
  readonly data: string
  readonly drain_timeout_ms: number
  /** Which pipeline of the config. */
  readonly pipeline: string | undefined
  readonly through: string | undefined
  readonly rate: number | undefined
  readonly is_dry: boolean
  readonly is_json: boolean
}

/** Sends dead letters again. Exit code 0 when all that were chosen are stored, 1 otherwise. */
export async function replayDeadLetters(command: ReplayCommand): Promise<number> {
  const terminal = new Terminal()
  const log = createLog({ level: 'warn', terminal })
  try {
    const config = await readReplayConfig(command.config, command.pipeline, command.through)
    const choice = { ...command.choice, pipeline: config.plan.settings.id }
    if (command.is_dry) return await dryReplay(choice, config, command.is_json)
    return await replay({ ...command, choice }, config, terminal, log)
  } catch (thrown) {
    if (thrown instanceof ConfigError) terminal.writeLine(`The given configuration is invalid:\n${thrown.message}`)
    else if (thrown instanceof MillraceError) terminal.writeLine(`dlq replay: ${thrown.message} [${thrown.code}]`)
    else throw thrown
    return 1
  } finally {
    log.close()
  }
}

async function replay(command: ReplayCommand, config: ReplayConfig, terminal: Terminal, log: ProgramLog): Promise<number> {
  const { choice } = command
  const damage = new DamageReport()
  await using _lock = await lockReplays(choice.folder)
  await using marker = await ReplayMarker.open(choice.folder, damage.report)
  const metrics = new MetricsRegistry()
  const made = await compileReplay(config, { log, metrics, data: command.data })
  const source = new ReplaySource({
    letters: chosenLetters(choice, damage),
    marker,
    rate: command.rate,
    inputs: made.inputs,
    complain: (kind, message) => log.error(kind, message),
  })
  const pipeline = pipelineOf(command, config, made, source)
  const progress = setInterval(() => terminal.setStatus(progressLine(source, pipeline)), PROGRESS_MS)
  try {
    await pipeline.run(stopSignal(terminal))
    await source.marked()
  } finally {
    clearInterval(progress)
    terminal.setStatus('')
  }
  const removed_segments = await removeDoneSegments(choice.folder, marker.marks)
  const { counts } = source
  const { is_complete } = source
  const result = {
    is_complete,
    chosen: counts.sent + counts.cut,
    ...counts,
    events: pipeline.ledger.totals().states,
    removed_segments,
  }
  process.stdout.write(command.is_json ? `${JSON.stringify(result)}\n` : print(source, result.events, choice))
  return is_complete && counts.done === result.chosen && !damage.found ? 0 : 1
}

/** A second replay at the same time would send the same letters. The running program has a lock of its own. */
async function lockReplays(folder: string): Promise<AsyncDisposable> {
  try {
    return await lockFolder(join(folder, 'replayed'))
  } catch (thrown) {
    if (!(thrown instanceof MillraceError) || thrown.code !== 'STORAGE_IN_USE') throw thrown
    throw new MillraceError('STORAGE_IN_USE', `another replay of ${folder} is at work: wait for its end`, { cause: thrown })
  }
}

function pipelineOf(command: ReplayCommand, { plan }: ReplayConfig, made: CompiledReplay, source: ReplaySource): Pipeline {
  const { compiled, factory } = made
  const input = {
    id: 'dlq',
    name: 'dlq',
    where: 'dlq replay',
    source,
    yields: false,
    listens: false,
    has_room: false,
    reloadable: false,
  }
  return new Pipeline({ ...compiled, inputs: [input] }, plan.settings, {
    context: (component) => factory.of(component),
    deadLetters: source,
    budget: new ByteBudget(plan.settings.max_in_flight_bytes),
    recent: new RecentEvents(),
    drain_timeout_ms: command.drain_timeout_ms,
    listening: () => Promise.resolve(),
  })
}

/** Aborts at the first signal; a second one ends the process at once, as every other program. */
function stopSignal(terminal: Terminal): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      if (stop.signal.aborted) return
      terminal.writeLine(`${signal}: no more letters are sent; those on their way are waited for. Once more to leave at once`)
      stop.abort()
    })
  }
  return stop.signal
}

function progressLine({ counts, on_their_way }: ReplaySource, { outputs }: Pipeline): string {
  const failed = counts.failed_again === 0 ? '' : `, ${counts.failed_again} failed again`
  const troubles = outputs.filter(({ state }) => state !== 'open').map(({ state }) => state)
  const trouble = troubles[0] === undefined ? '' : `; output: ${troubles[0]}`
  return `replay: ${counts.done} done${failed}, ${on_their_way} on their way${trouble}`
}

function print({ counts, is_complete }: ReplaySource, events: LedgerTotals['states'], { folder }: Choice): string {
  const { done, failed_again, left, cut, sent } = counts
  if (is_complete && sent + cut === 0) return `no such dead letters in ${folder}\n`
  const { stored, already_there, dropped } = events
  const lines = [
    `${done} of ${sent + cut} letters done: ${stored} events stored, ${already_there} were there already, ${dropped} dropped by filters`,
  ]
  if (failed_again > 0) lines.push(`${failed_again} failed again and are kept with their new reason: bin/millrace dlq ls`)
  if (left > 0)
    lines.push(`${left} had not arrived when the replay ended: start it again, nothing is stored twice where documents have ids`)
  if (!is_complete) lines.push('it was stopped before all were sent: start it again for the rest')
  if (cut > 0) lines.push(`${cut} cannot be sent, for only their beginning was kept (they were too large): bin/millrace dlq show`)
  return `${lines.join('\n')}\n`
}
