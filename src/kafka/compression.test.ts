import { zstdCompressSync } from 'node:zlib'
import { snappyCompress, snappyDecompress } from '@platformatic/wasm-utils'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { inflateSnappy, type KafkaCodec, loadCodecs, unreadableReason } from './compression.ts'
import { inflatedSizeOfLz4 } from './lz4-frame.ts'

const codecs = await loadCodecs()

function codec(type: number): KafkaCodec {
  const found = codecs[type]
  if (found === undefined) throw new Error(`no codec ${type}`)
  return found
}

const TYPES = [
  ['gzip', 1],
  ['snappy', 2],
  ['lz4', 3],
  ['zstd', 4],
] as const

test.for(TYPES)('%s gives back what went in', async ([, type]) => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 5_000 }), fc.integer({ min: 1, max: 50 }), async (bytes, times) => {
      const plain = Buffer.concat(Array.from({ length: times }, () => bytes))
      fc.pre(plain.length > 0)
      expect((await codec(type).decompress(await codec(type).compress({ buffer: plain }))).equals(plain)).toBe(true)
    }),
    { numRuns: 30 },
  )
})

function xerial(blocks: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [Buffer.from('82534e41505059000000000100000001', 'hex')]
  for (const block of blocks) {
    const packed = snappyCompress(block)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(packed.length)
    parts.push(length, packed)
  }
  return Buffer.concat(parts)
}

test('the xerial stream of Java producers is read block by block', async () => {
  const blocks = [Buffer.from('first block, '), Buffer.alloc(40_000, 'second '), Buffer.from('third')]
  const inflated = await codec(2).decompress(xerial(blocks))
  expect(inflated.equals(Buffer.concat(blocks))).toBe(true)
})

test('hostile snappy bytes are refused and never inflate beyond the limit', () => {
  const whole = xerial([Buffer.alloc(1_000, 'a'), Buffer.alloc(1_000, 'b')])
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.concat([whole.subarray(0, 16), bytes])),
    fc.nat(whole.length - 1).map((length) => whole.subarray(0, length)),
    fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, byte]) => {
      const bytes = Buffer.from(whole)
      bytes[at] = byte
      return bytes
    }),
  )
  fc.assert(
    fc.property(hostile, (bytes) => {
      try {
        expect(inflateSnappy(bytes, snappyDecompress).length).toBeLessThan(65_536)
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(Error)
      }
    }),
  )
})

test('a snappy block that claims four gigabytes is refused before anything is allocated', () => {
  expect(() => inflateSnappy(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]), snappyDecompress)).toThrow(
    'inflates to more than 67108864 bytes',
  )
})

test('the size of an LZ4 frame is known before it is inflated', async () => {
  const plain = Buffer.alloc(3_000_000, 'exchange log ')
  const frame = await codec(3).compress({ buffer: plain })
  expect(inflatedSizeOfLz4(frame, plain.length)).toBe(plain.length)
  expect(() => inflatedSizeOfLz4(frame, plain.length - 1)).toThrow('inflates to more than 2999999 bytes')
  expect(() => inflatedSizeOfLz4(frame.subarray(0, -20), plain.length)).toThrow('the LZ4 frame is cut')
  expect(() => inflatedSizeOfLz4(Buffer.from('hello'), plain.length)).toThrow('expected an LZ4 frame')
})

test('hostile LZ4 bytes are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const frame = Buffer.concat([Buffer.from('04224d186040', 'hex'), bytes])
      try {
        expect(inflatedSizeOfLz4(frame, 1_000_000)).toBeLessThanOrEqual(1_000_000)
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(RangeError)
      }
    }),
  )
})

/** A record batch of format 2 around compressed bytes, as it stands in a fetch's answer. */
function recordsOf(count: number, compressed: Buffer): Buffer {
  const header = Buffer.alloc(61)
  header.writeInt32BE(49 + compressed.length, 8)
  header.writeInt8(2, 16)
  header.writeInt32BE(count, 57)
  return Buffer.concat([Buffer.alloc(10), header, compressed]).subarray(71)
}

test('records stand in for those of a batch that cannot be inflated, as many as it has', async () => {
  for (const [, type] of TYPES) {
    const records = await codec(type).decompress(recordsOf(3, Buffer.from('not compressed at all')))
    // length varint, then the record: the first one carries the bytes, the others nothing
    expect(records.includes('not compressed at all')).toBe(true)
    let at = 0
    let seen = 0
    while (at < records.length) {
      let length = 0
      let shift = 0
      for (;;) {
        const byte = records[at++] ?? 0
        length += (byte & 0x7f) << shift
        shift += 7
        if (byte < 0x80) break
      }
      at += length / 2
      seen++
    }
    expect(seen).toBe(3)
  }
})

test('a bomb is not inflated', async () => {
  const bomb = zstdCompressSync(Buffer.alloc(80 * 1024 * 1024))
  const records = await codec(4).decompress(recordsOf(1, bomb))
  expect(records.includes('inflates to more than 67108864 bytes')).toBe(true)
})

test('what is not in a record batch, or claims to hold too many records, is an error', async () => {
  const noise = Buffer.from('not compressed at all')
  await expect(codec(2).decompress(Buffer.concat([noise, noise]).subarray(noise.length))).rejects.toThrow(
    'the record batch cannot be read',
  )
  await expect(codec(2).decompress(recordsOf(2_000_000_000, noise))).rejects.toThrow('the record batch cannot be read')
})

test('an honest record stands in for nothing, whatever its headers are called', () => {
  expect(unreadableReason(undefined)).toBeUndefined()
  expect(unreadableReason({})).toBeUndefined()
  fc.assert(fc.property(fc.string(), (name) => unreadableReason({ [name]: Buffer.from('reason') }) === undefined))
})
