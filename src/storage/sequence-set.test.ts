import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { SequenceSet } from './sequence-set.ts'

test('it holds what was added, in as few spans as there are rows', () => {
  const numbers = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 })
  const rows = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 8 })), { maxLength: 10 })
  fc.assert(
    fc.property(numbers, rows, fc.integer({ min: 0, max: 45 }), (single, several, below) => {
      const set = new SequenceSet()
      const model = new Set<number>()
      for (const number of single) {
        set.add(number)
        model.add(number)
      }
      for (const [first, more] of several) {
        set.add(first, first + more)
        for (let number = first; number <= first + more; number++) model.add(number)
      }
      set.removeBelow(below)
      for (const number of model) if (number < below) model.delete(number)
      for (let number = 0; number <= 50; number++) {
        expect(set.has(number)).toBe(model.has(number))
        expect(set.touches(number, number + 2)).toBe([0, 1, 2].some((more) => model.has(number + more)))
      }
      const starts = [...model].filter((number) => !model.has(number - 1))
      expect(set.spans.length).toBe(starts.length)
      expect(set.max).toBe(model.size === 0 ? undefined : Math.max(...model))
    }),
  )
})
