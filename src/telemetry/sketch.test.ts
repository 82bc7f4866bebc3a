import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { QuantileSketch } from './sketch.ts'

const magnitude = fc.double({ min: 1e-5, max: 1e14, noNaN: true })
const value = fc.oneof(
  magnitude,
  magnitude.map((number) => -number),
  fc.constant(0),
)

function sketchOf(values: readonly number[]): QuantileSketch {
  const sketch = new QuantileSketch()
  for (const one of values) sketch.observe(one)
  return sketch
}

test('every quantile lies within 1 % of the exact one', () => {
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 200 }), fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
      const sorted = values.toSorted((a, b) => a - b)
      const exact = sorted[Math.floor(q * (sorted.length - 1))] ?? Number.NaN
      expect(Math.abs(sketchOf(values).quantile(q) - exact)).toBeLessThanOrEqual(Math.abs(exact) * 0.010001)
    }),
  )
})

test('merging two sketches gives the sketch of all values', () => {
  fc.assert(
    fc.property(fc.array(value), fc.array(value), fc.double({ min: 0, max: 1, noNaN: true }), (some, others, q) => {
      const merged = sketchOf(some)
      merged.merge(sketchOf(others))
      expect(merged.count).toBe(some.length + others.length)
      expect(merged.quantile(q)).toEqual(sketchOf([...some, ...others]).quantile(q))
    }),
  )
})

test('values beyond what it can tell apart count as its bounds and spoil nothing', () => {
  const sketch = sketchOf([1, 1, 1, 1e300, 5e-324, -5e-324])
  expect(sketch.quantile(0.5)).toBeCloseTo(1, 1)
  expect(sketch.quantile(1)).toBeGreaterThan(9.8e14)
  expect(sketch.quantile(1)).toBeLessThan(1.02e15)
  expect(sketch.quantile(0)).toBe(0)
})

test('a sketch without values has no quantiles', () => {
  const sketch = sketchOf([3])
  sketch.clear()
  expect(sketch.quantile(0.5)).toBeNaN()
})
