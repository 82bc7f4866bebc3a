import { expect, test } from 'vitest'
import { murmur3, murmur3In128Bits } from './murmur3.ts'

// Known values of the reference implementation.
test.each([
  ['', 0, 0],
  ['', 1, 0x514e28b7],
  ['hello', 0, 613153351],
  ['123.123.123.123', 0, 4013733395],
  ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
])('%j with seed %i in 32 bits', (text, seed, hash) => {
  expect(murmur3(Buffer.from(text), seed)).toBe(hash)
})

test.each([
  ['', 0n, '00000000000000000000000000000000'],
  ['hello', 0n, '029bbd41b3a7d8cb191dae486a901e5b'],
  ['The quick brown fox jumps over the lazy dog', 0n, '6c1b07bc7bbc4be347939ac4a93c437a'],
])('%j with seed %i in 128 bits', (text, seed, hash) => {
  expect(murmur3In128Bits(Buffer.from(text), seed).toString('hex')).toBe(hash)
})
