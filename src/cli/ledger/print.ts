import { EVENT_STATES } from '../../core/event.ts'
import type { DeliveryBooks, EventBooks, LedgerRow, LedgerView } from '../../ops/ledger.ts'
import { align, type Cell } from '../table.ts'

/** Further indices are in --json. */
const TARGETS_SHOWN = 20

const OUTCOMES = ['stored', 'already_there', 'dead_lettered', 'dropped', 'consumed'] as const

/**
 *     events        pipeline  input    received  created  dead_lettered  dropped  unrouted  stored  already_there  consumed  held
 *     03:04:00      main      beats_1        10        0              0        0         0       8              0         0
 *     last hour     main      beats_1        10        0              0        0         0       8              0         0     2
 *     since start   …
 */
export function printLedger(view: LedgerView): string {
  const tables = [eventsOf(view), deliveriesOf(view), targetsOf(view)].filter((rows) => rows.length > 1)
  const balance =
    view.unbalanced === 0
      ? 'The books balance.'
      : `THE BOOKS DO NOT BALANCE: ${view.unbalanced} events are nowhere or twice. Please report this with the output of --json`
  const head = `from ${second(view.rows[0]?.from ?? view.started)} to ${second(view.now)}, started ${second(view.started)}`
  return [head, ...tables.map(align), balance].map((part) => `${part}\n`).join('\n')
}

function eventsOf({ rows, events }: LedgerView): Cell[][] {
  const counts = ({ received, created, states }: Pick<EventBooks, 'received' | 'created' | 'states'>): number[] => [
    received,
    created,
    ...EVENT_STATES.map((state) => states[state]),
  ]
  const moved = rows.flatMap((row) => row.events.map((one) => [timeOf(row), one.pipeline, one.input, ...counts(one), '']))
  const hour = events.map(({ pipeline, input, held }) => {
    const own = rows.flatMap((row) => row.events.filter((one) => one.pipeline === pipeline && one.input === input))
    return ['last hour', pipeline, input, ...addUp(own.map(counts), EVENT_STATES.length + 2), held]
  })
  const whole = events.map((one) => ['since start', one.pipeline, one.input, ...counts(one), one.held])
  return [['events', 'pipeline', 'input', 'received', 'created', ...EVENT_STATES, 'held'], ...moved, ...hour, ...whole]
}

function deliveriesOf({ rows, deliveries }: LedgerView): Cell[][] {
  const counts = ({ handed, outcomes }: Pick<DeliveryBooks, 'handed' | 'outcomes'>): number[] => [
    handed,
    ...OUTCOMES.map((outcome) => outcomes[outcome] ?? 0),
  ]
  const moved = rows.flatMap((row) => row.deliveries.map((one) => [timeOf(row), one.pipeline, one.output, ...counts(one), '']))
  const hour = deliveries.map(({ pipeline, output, held }) => {
    const own = rows.flatMap((row) => row.deliveries.filter((one) => one.pipeline === pipeline && one.output === output))
    return ['last hour', pipeline, output, ...addUp(own.map(counts), OUTCOMES.length + 1), held]
  })
  const whole = deliveries.map((one) => ['since start', one.pipeline, one.output, ...counts(one), one.held])
  return [['deliveries', 'pipeline', 'output', 'handed', ...OUTCOMES, 'held'], ...moved, ...hour, ...whole]
}

function targetsOf({ deliveries }: LedgerView): Cell[][] {
  const rows = deliveries.flatMap(({ output, targets }) =>
    targets
      .slice(0, TARGETS_SHOWN)
      .map(({ target, outcomes }) => [target, output, ...OUTCOMES.map((outcome) => outcomes[outcome] ?? 0)]),
  )
  return [['index', 'output', ...OUTCOMES], ...rows]
}

function addUp(rows: readonly number[][], width: number): number[] {
  return Array.from({ length: width }, (_, column) => rows.reduce((sum, row) => sum + (row[column] ?? 0), 0))
}

function timeOf({ from }: LedgerRow): string {
  return from.slice(11, 19)
}

function second(time: string): string {
  return `${time.slice(0, 19)}Z`
}
