import { expect, test } from 'vitest'
import { Intake, type Reader } from './intake.ts'

const LIMITS = { turns: 2, received_bytes_max: 8 * 64 * 1024, patience_ms: 60_000 }

function reader(calls: string[], name: string, is_incomplete = false): Reader {
  return {
    is_incomplete,
    start: () => calls.push(`${name} starts`),
    stop: () => calls.push(`${name} stops`),
    giveUp: () => calls.push(`${name} gives up`),
  }
}

const never = new AbortController().signal
const input = {}
const loopTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

test('turns are given in the order they were asked for, as many at a time as allowed', async () => {
  const intake = new Intake(LIMITS)
  const given: string[] = []
  const ask = async (name: string): Promise<Disposable> => {
    const turn = await intake.turn(reader([], name), input, never)
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

test('the turns of an input whose pipeline takes nothing are not those of others', async () => {
  const intake = new Intake({ ...LIMITS, turns: 1 })
  const held = await intake.turn(reader([], 'a'), input, never)
  const other = await intake.turn(reader([], 'b'), {}, never)
  expect(intake.turns_taken).toBe(2)
  for (const turn of [held, other]) turn[Symbol.dispose]()
  expect(intake.turns_taken).toBe(0)
})

test('who is let through and gets on has as long as it takes', async () => {
  const intake = new Intake({ ...LIMITS, patience_ms: 200 })
  const calls: string[] = []
  const large = reader(calls, 'large', true)
  intake.hold(9 * READ_BYTES)
  intake.want(large)
  const until_ms = performance.now() + 500
  while (performance.now() < until_ms) {
    intake.received(large, 1024 * 1024)
    await loopTurn()
  }
  expect(calls).toEqual(['large stops', 'large starts'])
  intake.leave(large)
})

test('who leaves the line does not take a turn', async () => {
  const intake = new Intake({ ...LIMITS, turns: 1 })
  const first = await intake.turn(reader([], 'a'), input, never)
  const leaving = new AbortController()
  const second = intake.turn(reader([], 'b'), input, leaving.signal)
  const third = intake.turn(reader([], 'c'), input, never)
  leaving.abort(new Error('gone'))
  await expect(second).rejects.toThrow('gone')
  first[Symbol.dispose]()
  ;(await third)[Symbol.dispose]()
  expect(intake.turns_taken).toBe(0)
  await expect(intake.turn(reader([], 'd'), input, leaving.signal)).rejects.toThrow('gone')
})

const READ_BYTES = 64 * 1024

test('over half of the limit all stop at once, also who is silent, and each read is granted, no more than there is room for', () => {
  const intake = new Intake(LIMITS)
  const calls: string[] = []
  const a = reader(calls, 'a')
  for (const one of [a, ...['b', 'c', 'd'].map((name) => reader(calls, name))]) intake.want(one)
  expect(calls.splice(0)).toEqual(['a starts', 'b starts', 'c starts', 'd starts'])
  intake.hold(6 * READ_BYTES)
  expect(calls.splice(0)).toEqual(['a stops', 'b stops', 'c stops', 'd stops', 'a starts', 'b starts'])
  // One of them uses its read, and another one gets the place.
  intake.received(a, READ_BYTES)
  intake.hold(READ_BYTES / 2)
  expect(calls.splice(0)).toEqual([])
  intake.want(a)
  expect(calls.splice(0)).toEqual(['a stops'])
  intake.hold(-READ_BYTES)
  expect(calls.splice(0)).toEqual(['c starts'])
  intake.hold(-4 * READ_BYTES)
  expect(calls.splice(0).toSorted()).toEqual(['a starts', 'b starts', 'c starts', 'd starts'])
})

test('who holds something incomplete and goes on comes before the others', async () => {
  const intake = new Intake(LIMITS)
  using _busy = await intake.turn(reader([], 'x'), input, never)
  const calls: string[] = []
  const [idle, busy] = [reader(calls, 'idle'), reader(calls, 'busy', true)]
  intake.hold(7 * READ_BYTES + 1)
  intake.want(idle)
  intake.want(busy)
  expect(calls.splice(0)).toEqual(['idle stops', 'busy stops'])
  intake.hold(-READ_BYTES)
  expect(calls).toEqual(['busy starts'])
})

test('a grant that is not used lapses, so that who has nothing to say keeps nobody waiting', async () => {
  const intake = new Intake(LIMITS)
  const calls: string[] = []
  const silent = Array.from({ length: 20 }, (_, index) => reader(calls, String(index)))
  intake.hold(6 * READ_BYTES)
  for (const one of silent) intake.want(one)
  while (!calls.includes('19 starts')) await loopTurn()
  for (const one of silent) intake.leave(one)
})

test('when nothing else can free memory the first incomplete one in line is let through, and the next when it is done', async () => {
  const intake = new Intake(LIMITS)
  const calls: string[] = []
  const [idle, a, b] = [reader(calls, 'idle'), reader(calls, 'a', true), reader(calls, 'b', true)]
  const busy = await intake.turn(reader([], 'x'), input, never)
  intake.hold(9 * READ_BYTES)
  for (const one of [idle, a, b]) intake.want(one)
  expect(calls.splice(0)).toEqual(['idle stops', 'a stops', 'b stops'])
  busy[Symbol.dispose]()
  expect(calls.splice(0)).toEqual(['a starts'])
  intake.received(a, READ_BYTES)
  intake.hold(READ_BYTES)
  intake.want(a)
  expect(calls).toEqual([])
  const turn = await intake.turn(a, input, never)
  intake.want(a)
  turn[Symbol.dispose]()
  expect(calls).toEqual(['a stops', 'b starts'])
  for (const one of [idle, a, b]) intake.leave(one)
})

test('who is let through and does not use it gives up, so that nobody stands still for ever', async () => {
  const intake = new Intake({ ...LIMITS, patience_ms: 5 })
  const calls: string[] = []
  const stuck: Reader = {
    ...reader(calls, 'stuck', true),
    giveUp: () => {
      calls.push('stuck gives up')
      intake.leave(stuck)
    },
  }
  const next = reader(calls, 'next', true)
  intake.hold(9 * READ_BYTES)
  intake.want(stuck)
  intake.want(next)
  while (!calls.includes('next starts')) await loopTurn()
  expect(calls.filter((call) => !call.endsWith('stops'))).toEqual(['stuck starts', 'stuck gives up', 'next starts'])
  intake.leave(next)
})

test('of several shares the largest counts, as long as it is there', () => {
  const intake = new Intake({ ...LIMITS, received_bytes_max: 0 })
  const calls: string[] = []
  const small = intake.share(8 * READ_BYTES)
  intake.hold(5 * READ_BYTES)
  intake.want(reader(calls, 'a', true))
  expect(calls.splice(0)).toEqual(['a stops', 'a starts'])
  const large = intake.share(20 * READ_BYTES)
  expect(calls.splice(0)).toEqual(['a starts'])
  large[Symbol.dispose]()
  expect(calls.splice(0)).toEqual(['a stops', 'a starts'])
  small[Symbol.dispose]()
})
