import { expect, test } from 'vitest'
import { Intake, type Reader } from './intake.ts'

const LIMITS = { turns: 2, received_bytes_max: 1_000, patience_ms: 60_000 }

function reader(calls: string[], name: string): Reader {
  return { readOn: () => calls.push(`${name} reads`), giveUp: () => calls.push(`${name} gives up`) }
}

const never = new AbortController().signal
const loopTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

test('turns are given in the order they were asked for, as many at a time as allowed', async () => {
  const intake = new Intake(LIMITS)
  const given: string[] = []
  const ask = async (name: string): Promise<Disposable> => {
    const turn = await intake.turn(reader([], name), never)
    given.push(name)
    return turn
  }
  const [first, second] = await Promise.all([ask('a'), ask('b')])
  const third = ask('c')
  const fourth = ask('d')
  await loopTurn()
  expect(given).toEqual(['a', 'b'])
  second[Symbol.dispose]()
  ;(await third)[Symbol.dispose]()
  expect(given).toEqual(['a', 'b', 'c'])
  ;(await fourth)[Symbol.dispose]()
  first[Symbol.dispose]()
  expect(intake.turns_taken).toBe(0)
})

test('who leaves the line does not take a turn', async () => {
  const intake = new Intake({ ...LIMITS, turns: 1 })
  const first = await intake.turn(reader([], 'a'), never)
  const leaving = new AbortController()
  const second = intake.turn(reader([], 'b'), leaving.signal)
  const third = intake.turn(reader([], 'c'), never)
  leaving.abort(new Error('gone'))
  await expect(second).rejects.toThrow('gone')
  first[Symbol.dispose]()
  ;(await third)[Symbol.dispose]()
  expect(intake.turns_taken).toBe(0)
  await expect(intake.turn(reader([], 'd'), leaving.signal)).rejects.toThrow('gone')
})

test('reading stops over the limit and goes on in the order it stopped', async () => {
  const intake = new Intake(LIMITS)
  const calls: string[] = []
  const [a, b] = [reader(calls, 'a'), reader(calls, 'b')]
  using _busy = await intake.turn(reader([], 'x'), never)
  intake.hold(900)
  expect(intake.mustWait(a)).toBe(false)
  intake.hold(200)
  expect(intake.mustWait(a)).toBe(true)
  expect(intake.mustWait(b)).toBe(true)
  intake.hold(-50)
  expect(calls).toEqual([])
  intake.hold(-100)
  expect(calls).toEqual(['a reads'])
  intake.hold(-10)
  expect(calls).toEqual(['a reads', 'b reads'])
})

test('when nothing else can free memory the first in line is let through, and the next when it is done', async () => {
  const intake = new Intake(LIMITS)
  const calls: string[] = []
  const [a, b] = [reader(calls, 'a'), reader(calls, 'b')]
  const busy = await intake.turn(reader([], 'x'), never)
  intake.hold(2_000)
  expect(intake.mustWait(a)).toBe(true)
  expect(intake.mustWait(b)).toBe(true)
  await loopTurn()
  expect(calls).toEqual([])
  busy[Symbol.dispose]()
  await loopTurn()
  expect(calls).toEqual(['a reads'])
  expect(intake.mustWait(a)).toBe(false)
  expect(intake.mustWait(b)).toBe(true)
  const turn = await intake.turn(a, never)
  turn[Symbol.dispose]()
  await loopTurn()
  expect(calls).toEqual(['a reads', 'b reads'])
  intake.leave(b)
})

test('who is let through and does not use it gives up, so that nobody stands still for ever', async () => {
  const intake = new Intake({ ...LIMITS, patience_ms: 5 })
  const calls: string[] = []
  const stuck: Reader = {
    readOn: () => calls.push('stuck reads'),
    giveUp: () => {
      calls.push('stuck gives up')
      intake.hold(-1_500)
      intake.leave(stuck)
    },
  }
  const next = reader(calls, 'next')
  intake.hold(2_000)
  expect(intake.mustWait(stuck)).toBe(false)
  expect(intake.mustWait(next)).toBe(true)
  while (!calls.includes('next reads')) await loopTurn()
  // On a busy machine its time may be over before it is told to read.
  expect(calls.filter((call) => call !== 'stuck reads')).toEqual(['stuck gives up', 'next reads'])
})

test('a larger budget lets those read on that wait, a smaller one changes nothing', () => {
  const calls: string[] = []
  const intake = new Intake({ ...LIMITS, received_bytes_max: 0 })
  intake.allow(1_000)
  intake.hold(1_500)
  const waiting = reader(calls, 'a')
  expect([intake.mustWait(reader([], 'first')), intake.mustWait(waiting)]).toEqual([false, true])
  intake.allow(500)
  expect(calls).toEqual([])
  intake.allow(2_000)
  expect(calls).toEqual(['a reads'])
  expect(intake.mustWait(waiting)).toBe(false)
})
