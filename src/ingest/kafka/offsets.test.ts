import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Piece, SettledOffsets } from './offsets.ts'

test('nothing is settled before the first piece is', () => {
  const offsets = new SettledOffsets(100)
  offsets.handOn(110)
  expect(offsets.settled).toBe(100)
  expect(offsets.position).toBe(110)
})

test('a later piece that settles first waits for the ones before it', () => {
  const offsets = new SettledOffsets(0)
  const first = offsets.handOn(10)
  const second = offsets.handOn(20)
  offsets.settle(second)
  expect(offsets.settled).toBe(0)
  offsets.settle(first)
  expect(offsets.settled).toBe(20)
})

test('a record is never handed on twice', () => {
  const offsets = new SettledOffsets(5)
  expect(() => offsets.handOn(5)).toThrow('expected an offset after 5, got 5')
  expect(() => offsets.handOn(Number.NaN)).toThrow(RangeError)
})

test('whatever the order of settling, the settled offset is the end of the contiguous prefix', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(fc.nat(1_000_000), lengths, fc.infiniteStream(fc.nat()), (start, sizes, choices) => {
      const offsets = new SettledOffsets(start)
      const open: Piece[] = []
      const all: Piece[] = []
      let next = start
      const settleOne = (): void => {
        const index = (choices.next().value ?? 0) % open.length
        const [piece] = open.splice(index, 1)
        if (piece !== undefined) offsets.settle(piece)
      }
      const expected = (): number =>
        all.find(({ settled }) => !settled)
          ? (all[all.findIndex(({ settled }) => !settled) - 1]?.next ?? start)
          : (all.at(-1)?.next ?? start)
      for (const size of sizes) {
        next += size
        const piece = offsets.handOn(next)
        open.push(piece)
        all.push(piece)
        if ((choices.next().value ?? 0) % 2 === 0) settleOne()
        expect(offsets.settled).toBe(expected())
        expect(offsets.position).toBe(next)
      }
      while (open.length > 0) {
        settleOne()
        expect(offsets.settled).toBe(expected())
      }
      expect(offsets.settled).toBe(next)
    }),
  )
})
