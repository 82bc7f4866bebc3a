import { expect, test } from 'vitest'
import { memoryLimitOf } from './memory-refusal.ts'

function rejected(kind: 'coordinating' | 'primary', in_use: number, bytes: number, bytes_max: number): string {
  const held = `coordinating_and_primary_bytes=${in_use}, replica_bytes=0, all_bytes=${in_use}`
  return `rejected execution of ${kind} operation [${held}, ${kind}_operation_bytes=${bytes}, max_${kind}_bytes=${bytes_max}]`
}

const OVERSIZED =
  'Request contains an operation of size [2500264] bytes, which exceeds the maximum allowed limit of [2097152] bytes'

test.each([
  ['more than it takes', rejected('coordinating', 0, 5_000_208, 4_194_304), 5_000_000, 4_194_304],
  ['more than it takes, beside others', rejected('coordinating', 900_000, 5_000_208, 4_194_304), 5_000_000, 4_194_304],
  ['a piece of a request that is more', rejected('coordinating', 4_200_000, 300_264, 4_194_304), 4_501_655, 4_194_304],
  ['four times a document on top of it', rejected('primary', 1_100_160, 4_400_032, 4_194_304), 1_100_050, 4_194_304],
  ['together with its own request', rejected('primary', 1_400_320, 2_800_032, 4_194_304), 1_400_100, 4_194_304],
  ['one document over the limit of one', OVERSIZED, 2_500_300, 2_097_152],
  ['others are in between', rejected('coordinating', 3_000_000, 2_000_208, 4_194_304), 2_000_000, undefined],
  ['others are larger', rejected('primary', 3_900_000, 400_000, 4_194_304), 200_000, undefined],
  ['a full queue', 'rejected execution of TimedRunnable{} on EsThreadPoolExecutor', 100, undefined],
  ['nothing said', undefined, 100, undefined],
])('%s', (_name, reason, bytes, limit) => {
  expect(memoryLimitOf(reason, { bytes, documents: 2 })).toBe(limit)
})
