import { DryRun } from '../dry-run/dry-run.ts'
import type { Trace } from '../dry-run/trace.ts'
import { type Choice, chosenLetters, DamageReport } from './choice.ts'
import { eventsOf } from './letter-events.ts'
import type { ReplayConfig } from './replay-config.ts'
import { NO_OUTPUT, restOfTheWay } from './replay-route.ts'

interface Forecast {
  letters: number
  /** Only their beginning was kept. */
  cut: number
  /** By the id of the output. */
  readonly outputs: { [id: string]: number }
  dropped: number
  /** By filter and reason. */
  readonly failed: { [reason: string]: number }
  no_output: number
}

/** So many reasons are told apart. */
const REASONS_MAX = 100

/** Tells what a replay would do up to the outputs. What they would say is not known before they are asked. */
export async function dryReplay(choice: Choice, config: ReplayConfig, is_json: boolean): Promise<number> {
  const { plan, folder, own_filters } = config
  const damage = new DamageReport()
  const forecast: Forecast = { letters: 0, cut: 0, outputs: {}, dropped: 0, failed: {}, no_output: 0 }
  await using run = await DryRun.build(plan, own_filters?.folder ?? folder, (compiled) =>
    restOfTheWay(compiled, own_filters !== undefined),
  )
  for await (const waiting of chosenLetters(choice, damage)) {
    forecast.letters++
    const events = eventsOf(waiting, run.contexts)
    if (events === undefined) forecast.cut++
    for (const event of events ?? []) await run.take(event)
    // Ways are not kept longer than they are looked at.
    for (const trace of run.takeTraces()) add(forecast, trace)
  }
  for (const trace of await run.finish()) add(forecast, trace)
  for (const { level, message } of run.messages.slice(0, REASONS_MAX)) process.stderr.write(`${level}: ${message}\n`)
  process.stdout.write(is_json ? `${JSON.stringify({ dry_run: true, ...forecast })}\n` : print(forecast, choice))
  const is_fine = forecast.cut === 0 && forecast.no_output === 0 && Object.keys(forecast.failed).length === 0
  return is_fine && !damage.found ? 0 : 1
}

function add(forecast: Forecast, { entries }: Trace): void {
  for (const entry of entries) {
    if (entry.kind === 'output') {
      if (entry.id === NO_OUTPUT) forecast.no_output++
      else forecast.outputs[entry.id] = (forecast.outputs[entry.id] ?? 0) + 1
    } else if (entry.kind === 'filter' && entry.fate === 'dropped') forecast.dropped++
    else if (entry.kind === 'filter' && entry.fate === 'failed') {
      const wanted = `${entry.id} (${entry.where}): ${entry.reason ?? ''}`
      const is_full = Object.keys(forecast.failed).length >= REASONS_MAX && forecast.failed[wanted] === undefined
      const reason = is_full ? 'further reasons' : wanted
      forecast.failed[reason] = (forecast.failed[reason] ?? 0) + 1
    }
  }
}

function print({ letters, cut, outputs, dropped, failed, no_output }: Forecast, { folder }: Choice): string {
  if (letters === 0) return `no such dead letters in ${folder}\n`
  const lines = [`${letters} ${letters === 1 ? 'letter' : 'letters'} would be sent; nothing was sent yet`]
  for (const [id, count] of Object.entries(outputs)) lines.push(`  ${count} to ${id}`)
  if (dropped > 0) lines.push(`  ${dropped} dropped by filters, and then gone`)
  if (no_output > 0)
    lines.push(`  ${no_output} to no output: they would stay, for no condition of the config sends them anywhere`)
  for (const [reason, count] of Object.entries(failed)) lines.push(`  ${count} would fail in ${reason}`)
  if (cut > 0) lines.push(`  ${cut} cannot be sent, for only their beginning was kept`)
  return `${lines.join('\n')}\n`
}
