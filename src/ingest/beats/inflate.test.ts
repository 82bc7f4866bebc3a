import { constants, deflateRawSync, deflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { compressedFrame, jsonFrame, windowFrame } from '../../../test/helpers/lumberjack-client.ts'
import { type CompressedFrame, FrameDecoder } from './frames.ts'
import { inflateFrame, inflateWithStream, type Pass } from './inflate.ts'
import { BLOCK_BYTES, InflatedMemory } from './inflated-memory.ts'
import { Inflater } from './inflater.ts'

const LIMITS = { max_frame_bytes: 64 * 1024 * 1024, max_event_bytes: 10 * 1024 * 1024 }
const MIB = 1024 * 1024
const signal = new AbortController().signal

/** The sequence number and the text of every event, read while it is there. */
async function inflate(bytes: Buffer, allowed: Partial<Pass> = {}): Promise<[number, string][]> {
  using memory = new InflatedMemory()
  const pass = { bytes: 256 * MIB, events: 100_000, nested: 100_000, memory, ...allowed }
  const found: [number, string][] = []
  for await (const events of inflateFrame(decoded(bytes), LIMITS, pass, signal)) {
    for (const { sequence, body } of events) found.push([sequence, body.source.toString('utf8', body.start, body.end)])
  }
  return found
}

function decoded(bytes: Buffer): CompressedFrame {
  const decoder = new FrameDecoder(LIMITS)
  decoder.push(bytes)
  return decoder.next() as CompressedFrame
}

/** A `C` frame around a zlib stream. */
function frameAround(body: Buffer): Buffer {
  const header = Buffer.from('2C\0\0\0\0')
  header.writeUInt32BE(body.length, 2)
  return Buffer.concat([header, body])
}

/**
 * A `C` frame that inflates to `size` bytes: `block` again and again. A full flush ends a deflated block so that it
 * can be repeated as it is: nobody has to compress a gigabyte.
 */
function bomb(block: Buffer, size: number): Buffer {
  const deflated = deflateRawSync(block, { level: 9, finishFlush: constants.Z_FULL_FLUSH })
  return frameAround(Buffer.concat([Buffer.from('7801', 'hex'), ...Array.from({ length: size / block.length }, () => deflated)]))
}

test('events come out in their order, also from frames inside frames', async () => {
  const inner = compressedFrame(Buffer.concat([jsonFrame(2, 'two'), jsonFrame(3, 'three')]))
  const events = await inflate(compressedFrame(Buffer.concat([jsonFrame(1, 'one'), inner, jsonFrame(4, 'four')])))
  expect(events).toEqual([
    [1, 'one'],
    [2, 'two'],
    [3, 'three'],
    [4, 'four'],
  ])
})

const LARGE_EVENTS = Array.from({ length: 20 }, (_, index) => String(index).padStart((3 * BLOCK_BYTES) / 8 - 12, 'x'))
const LARGE_FRAME = compressedFrame(Buffer.concat(LARGE_EVENTS.map((line, index) => jsonFrame(index, line))))

test('a frame that inflates to more than a block gives the same', async () => {
  expect(await inflate(LARGE_FRAME)).toEqual(LARGE_EVENTS.map((line, index) => [index, line]))
})

test('a frame inside of a frame, each of more than a block, leaves what is around it as it was', async () => {
  const around = (index: number): Buffer => jsonFrame(index, `around ${index}`.repeat(20_000))
  const bytes = compressedFrame(Buffer.concat([around(1), LARGE_FRAME, around(2), LARGE_FRAME, around(3)]))
  const events = (await inflate(bytes)).map(([, text]) => text)
  const texts = (index: number): string => `around ${index}`.repeat(20_000)
  expect(events).toEqual([texts(1), ...LARGE_EVENTS, texts(2), ...LARGE_EVENTS, texts(3)])
})

test('a Node whose zlib cannot write where it is told gives the same', async () => {
  using memory = new InflatedMemory()
  const pieces: Buffer[] = []
  for await (const piece of inflateWithStream(decoded(LARGE_FRAME).body, memory, signal)) pieces.push(piece)
  expect(Buffer.concat(pieces).equals(Buffer.concat(LARGE_EVENTS.map((line, index) => jsonFrame(index, line))))).toBe(true)
  await expect(
    inflateWithStream(decoded(frameAround(Buffer.from('not zlib'))).body, memory, signal).next(),
  ).rejects.toMatchObject({
    reason: 'corrupt_compression',
  })
})

test("this Node's zlib can, also after a stream that is damaged", async () => {
  using inflater = Inflater.of(decoded(LARGE_FRAME).body)
  expect(inflater).toBeDefined()
  for (let time = 0; time < 10; time++) {
    await expect(inflate(frameAround(Buffer.from('not zlib')))).rejects.toMatchObject({ reason: 'corrupt_compression' })
  }
  expect(await inflate(compressedFrame(jsonFrame(1, 'one')))).toEqual([[1, 'one']])
})

describe('a bomb', () => {
  test('of 1 MB that would give a gigabyte of zeros is refused at its first piece', async () => {
    const bytes = bomb(Buffer.alloc(4 * MIB), 1024 * MIB)
    expect(bytes.length).toBeLessThan(1.1 * MIB)
    const before = process.memoryUsage().arrayBuffers
    await expect(inflate(bytes)).rejects.toMatchObject({ reason: 'not_lumberjack' })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * MIB)
  })

  test('that would give a gigabyte of sound events is refused at the limit', async () => {
    const bytes = bomb(jsonFrame(1, Buffer.alloc(4 * MIB - 10, ' ')), 1024 * MIB)
    expect(bytes.length).toBeLessThan(1.1 * MIB)
    const before = process.memoryUsage().arrayBuffers
    await expect(inflate(bytes, { bytes: 24 * MIB })).rejects.toMatchObject({ reason: 'inflated_too_large' })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * MIB)
  })

  test('inside a bomb is refused too: 10 GB out of some kilobytes', async () => {
    const inner = bomb(Buffer.alloc(4 * MIB), 1024 * MIB)
    const bytes = compressedFrame(Buffer.concat(Array.from({ length: 10 }, () => inner)), 9)
    expect(bytes.length).toBeLessThan(100_000)
    await expect(inflate(bytes)).rejects.toMatchObject({ reason: 'not_lumberjack' })
  })

  test('of very many empty frames in frames is refused at the number of events', async () => {
    const bytes = bomb(Buffer.concat(Array.from({ length: 1000 }, () => compressedFrame(Buffer.alloc(0)))), 14_000_000)
    await expect(inflate(bytes, { nested: 5_000 })).rejects.toMatchObject({ reason: 'frame_outside_window' })
  })

  test('inside a frame that would have to be there as a whole is refused', async () => {
    const bytes = compressedFrame(frameAround(Buffer.alloc(LIMITS.max_event_bytes + 1)), 9)
    await expect(inflate(bytes)).rejects.toMatchObject({ reason: 'frame_too_large' })
  })

  test('of very many tiny events is refused at the number that was announced', async () => {
    const bytes = bomb(Buffer.concat(Array.from({ length: 1000 }, () => jsonFrame(1, ''))), 100 * MIB)
    await expect(inflate(bytes, { events: 5_000 })).rejects.toMatchObject({ reason: 'frame_outside_window' })
  })
})

test.each([
  ['no zlib stream', frameAround(Buffer.from('not zlib')), 'corrupt_compression'],
  ['a cut zlib stream', frameAround(deflateSync(jsonFrame(1, '{"a":"bcdefghijkl"}')).subarray(0, 20)), 'corrupt_compression'],
  ['nothing', frameAround(Buffer.alloc(0)), 'corrupt_compression'],
  ['a cut frame', compressedFrame(jsonFrame(1, '{"a":1}').subarray(0, 12)), 'corrupt_compression'],
  ['a window frame', compressedFrame(windowFrame(1)), 'frame_outside_window'],
  ['an unknown frame', compressedFrame(Buffer.from('2X1234')), 'unknown_frame_type'],
  ['three levels', compressedFrame(compressedFrame(compressedFrame(jsonFrame(1, '{}')))), 'nested_too_deep'],
])('a compressed frame with %s is refused', async (_name, bytes, reason) => {
  await expect(inflate(bytes)).rejects.toMatchObject({ reason })
})
