import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteBudget } from './byte-budget.ts'

const NEVER = new AbortController().signal

test('room is granted in the order it was asked for', async () => {
  const budget = new ByteBudget(100)
  await budget.acquire(80, NEVER)
  const order: string[] = []
  const large = budget.acquire(60, NEVER).then(() => order.push('large'))
  const small = budget.acquire(10, NEVER).then(() => order.push('small'))
  expect(budget.waiting).toBe(2)
  budget.release(80)
  await Promise.all([large, small])
  expect(order).toEqual(['large', 'small'])
})

test('more than all of it is let through when nothing else is held', async () => {
  const budget = new ByteBudget(100)
  await budget.acquire(1_000, NEVER)
  expect(budget.used).toBe(1_000)
})

test('who leaves the line makes way for those behind', async () => {
  const budget = new ByteBudget(100)
  await budget.acquire(90, NEVER)
  const leaving = new AbortController()
  const large = budget.acquire(50, leaving.signal)
  const small = budget.acquire(10, NEVER)
  leaving.abort(new Error('gone'))
  await expect(large).rejects.toThrow('gone')
  await small
  expect(budget.used).toBe(100)
})

test('whatever is asked for and given back, the limit holds and nobody waits for ever', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 40 }), async (sizes) => {
      const budget = new ByteBudget(100)
      await Promise.all(
        sizes.map(async (size) => {
          await budget.acquire(size, NEVER)
          expect(budget.used).toBeLessThanOrEqual(100)
          await Promise.resolve()
          budget.release(size)
        }),
      )
      expect(budget.used).toBe(0)
    }),
  )
})
