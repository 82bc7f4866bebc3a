import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { buildFilter } from '../../test/helpers/run-filter.ts'
import { drop } from './drop.ts'

test('every event is taken out, and the reason names the place', async () => {
  const run = await buildFilter(drop, {}, testContext({ where: 'a.conf:3:1' }))
  const { event, out } = run({ a: 1 })
  expect(out).toEqual([])
  expect(event.cancelled).toBe('drop at a.conf:3:1')
})

test('a percentage drops about that share', async () => {
  const run = await buildFilter(drop, { percentage: 30 })
  const dropped = Array.from({ length: 5000 }, () => run({ a: 1 }).out.length).filter((left) => left === 0).length
  expect(dropped).toBeGreaterThan(1200)
  expect(dropped).toBeLessThan(1800)
})

test('a percentage of 0 keeps all, one beyond 100 is refused', async () => {
  const run = await buildFilter(drop, { percentage: 0 })
  expect(run({ a: 1 }).out).toHaveLength(1)
  await expect(buildFilter(drop, { percentage: 101 })).rejects.toThrow(/from 0 to 100/)
})
