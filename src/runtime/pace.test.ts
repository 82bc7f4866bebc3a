import { expect, test } from 'vitest'
import type { WriteResult } from '../core/contracts.ts'
import { Pace } from './pace.ts'

const FULL = { events_max: 2048, bytes_max: 1, concurrency: 4 }
const WELL: WriteResult = { outcomes: [] }

function after(...results: readonly WriteResult[]): readonly [events: number, writes: number] {
  const pace = new Pace(FULL)
  for (const result of results) pace.heed(result)
  return [pace.events_max, pace.concurrency]
}

function times(count: number, result: WriteResult): WriteResult[] {
  return Array.from({ length: count }, () => result)
}

const OVERLOADED: WriteResult = { outcomes: [], overloaded: true }

test.each<[string, readonly WriteResult[], readonly [number, number]]>([
  ['nothing', [], [2048, 4]],
  ['writes that went well', times(3, WELL), [2048, 4]],
  ['one overload', [OVERLOADED], [1024, 2]],
  ['a batch that was too large', [{ outcomes: [], tooLarge: true }], [1024, 2]],
  ['two overloads', times(2, OVERLOADED), [512, 1]],
  ['a long overload: never fewer than 64 in one write', times(50, OVERLOADED), [64, 1]],
  ['an overload and one write that went well', [OVERLOADED, WELL], [1152, 2]],
  ['an overload and eight writes that went well', [OVERLOADED, ...times(8, WELL)], [2048, 4]],
  ['a long overload and sixteen writes that went well', [...times(50, OVERLOADED), ...times(16, WELL)], [2048, 4]],
])('after %s', (_what, results, expected) => {
  expect(after(...results)).toEqual(expected)
})

test('an output with small batches keeps them', () => {
  const pace = new Pace({ events_max: 10, bytes_max: 1, concurrency: 1 })
  pace.heed(OVERLOADED)
  expect([pace.events_max, pace.concurrency]).toEqual([10, 1])
})
