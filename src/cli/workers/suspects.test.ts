import { expect, test } from 'vitest'
import { Suspects } from './suspects.ts'

test('what was there at two crashes goes alone, and what was alone there is kept out, until it has been calm', () => {
  let now_ms = 0
  const suspects = new Suspects(() => now_ms)
  expect(suspects.watch).toBeUndefined()
  expect(suspects.crashed([])).toBe(false)
  expect(suspects.watch).toEqual({ suspects: [], condemned: [] })
  expect(suspects.crashed([1n, 2n, 3n])).toBe(false)
  expect(suspects.crashed([2n, 3n, 4n])).toBe(false)
  expect(suspects.watch).toEqual({ suspects: [2n, 3n], condemned: [] })
  // One that was alone by chance is not blamed at once.
  expect(suspects.crashed([5n])).toBe(false)
  expect(suspects.crashed([3n])).toBe(true)
  expect(suspects.watch).toEqual({ suspects: [], condemned: [3n] })
  expect(suspects.calmedDown()).toBe(false)
  now_ms += 11 * 60_000
  expect(suspects.calmedDown()).toBe(true)
  expect(suspects.calmedDown()).toBe(false)
  expect(suspects.watch).toBeUndefined()
})
