import { readdirSync, readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compressedFrame, encodeWindow, jsonFrame, pairsFrame, windowFrame } from '../../../test/helpers/lumberjack-client.ts'
import { FrameError } from './closing.ts'
import { encodeAck, FrameDecoder, type FrameLimits, readPairs } from './frames.ts'

const LIMITS: FrameLimits = { max_frame_bytes: 1_000_000, max_event_bytes: 500_000 }
const CAPTURES = new URL('../../../test/captures/', import.meta.url)

/** What a decoder makes of a stream in these chunks: one line a frame, the last one is how it ended. */
function decode(chunks: Iterable<Buffer>, limits = LIMITS): string[] {
  const decoder = new FrameDecoder(limits)
  const lines: string[] = []
  try {
    for (const chunk of chunks) {
      decoder.push(chunk)
      for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
        if (frame.kind === 'window') lines.push(`W${frame.version} ${frame.count}`)
        else {
          const { source, start, end } = frame.body
          const name = frame.kind === 'compressed' ? 'C' : `${frame.kind} ${frame.sequence} ${frame.size_bytes}`
          lines.push(`${name} ${source.toString('base64', start, end)}`)
        }
      }
    }
    lines.push(decoder.isBetweenFrames ? 'whole' : 'cut')
  } catch (thrown) {
    // The bytes that a message quotes depend on how many had come.
    lines.push(thrown instanceof FrameError ? thrown.reason : String(thrown))
  }
  return lines
}

function* cut(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const MIXED = Buffer.concat([
  windowFrame(3),
  jsonFrame(1, { a: 1 }),
  compressedFrame(Buffer.concat([jsonFrame(2, { b: 2 }), jsonFrame(3, 'x'.repeat(5000))])),
  windowFrame(2, 1),
  pairsFrame(1, [
    ['line', 'hello'],
    ['', 'ü'],
  ]),
  pairsFrame(2, []),
  windowFrame(0),
  encodeWindow([{ c: 3 }], { level: 0 }),
])

describe('a stream gives the same frames however it is cut', () => {
  test.each([1, 2, 3, 5, 7, 64, 1000, 1023, 1024, 4096])('into pieces of %i bytes', (size) => {
    const whole = decode([MIXED])
    expect(whole.at(-1)).toBe('whole')
    expect(decode(cut(MIXED, size))).toEqual(whole)
  })

  const captures = readdirSync(CAPTURES).filter((name) => name.endsWith('.bin'))
  test.each(captures)('recorded: %s', (name) => {
    const bytes = readFileSync(new URL(name, CAPTURES))
    const whole = decode([bytes])
    expect(whole.at(-1)).toBe('whole')
    for (const size of [1, 13, 1400, 16_384]) expect(decode(cut(bytes, size))).toEqual(whole)
  })

  test('at random places, also where it was damaged', () => {
    const damages = fc.array(fc.tuple(fc.nat(MIXED.length - 1), fc.nat(255)), { maxLength: 5 })
    const places = fc.array(fc.nat(MIXED.length), { maxLength: 40 })
    fc.assert(
      fc.property(damages, places, (changes, borders) => {
        const bytes = Buffer.from(MIXED)
        for (const [at, value] of changes) bytes[at] = value
        const sorted = [0, ...borders.sort((a, b) => a - b), bytes.length]
        const chunks = sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end))
        expect(decode(chunks)).toEqual(decode([bytes]))
      }),
    )
  })

  test('of random bytes, and only FrameErrors come out of it', () => {
    const bytes = fc.uint8Array({ maxLength: 300 })
    const start = fc.constantFrom('', '2', '2J', '2C\0\0', '1D\0\0\0\x01\0\0', '2W')
    fc.assert(
      fc.property(start, bytes, fc.integer({ min: 1, max: 50 }), (prefix, rest, size) => {
        const stream = Buffer.concat([Buffer.from(prefix, 'latin1'), rest])
        const whole = decode([stream])
        expect(whole.at(-1)).toMatch(/^(whole|cut|[a-z_]+)$/)
        expect(decode(cut(stream, size))).toEqual(whole)
      }),
    )
  })
})

test('an event that is too large passes by, and only its beginning is kept', () => {
  const limits = { max_frame_bytes: 64 * 1024 * 1024, max_event_bytes: 1024 * 1024 }
  const decoder = new FrameDecoder(limits)
  const size = 50_000_000
  const header = jsonFrame(7, '')
  header.writeUInt32BE(size, 6)
  decoder.push(header)
  const chunk = Buffer.alloc(65_536, 'a')
  let most_waiting = 0
  for (let left = size; left > 0; left -= chunk.length) {
    expect(decoder.next()).toBeUndefined()
    decoder.push(chunk.subarray(0, Math.min(chunk.length, left)))
    most_waiting = Math.max(most_waiting, decoder.waiting_bytes)
  }
  const frame = decoder.next()
  expect(frame).toMatchObject({ kind: 'json', sequence: 7, size_bytes: size })
  expect(frame?.kind === 'json' && frame.body.end - frame.body.start).toBe(65_536)
  expect(most_waiting).toBeLessThan(3 * 65_536)
  decoder.push(jsonFrame(8, '{}'))
  expect(decoder.next()).toMatchObject({ sequence: 8 })
})

test('a header that announces gigabytes allocates nothing', () => {
  const before = process.memoryUsage().arrayBuffers
  const limits = { max_frame_bytes: 2 ** 32, max_event_bytes: 2 ** 32 }
  for (let count = 0; count < 100; count++) {
    const decoder = new FrameDecoder(limits)
    decoder.push(Buffer.from('2C\xff\xff\xff\xff', 'latin1'))
    expect(decoder.next()).toBeUndefined()
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
})

describe('a stream that is not Lumberjack is refused with what it looks like', () => {
  test.each([
    ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'not_lumberjack', 'looks like HTTP'],
    ['POST /_bulk HTTP/1.1\r\n', 'not_lumberjack', 'looks like HTTP'],
    ['\x16\x03\x01\x02\x00\x01', 'not_lumberjack', 'looks like TLS: is ssl enabled on the other side only?'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n', 'not_lumberjack', 'looks like the PROXY protocol'],
    ['{"message":"x"}\n', 'not_lumberjack', 'looks like plain JSON'],
    ['SSH-2.0-x\r\n', 'not_lumberjack', 'looks like SSH'],
    ['3W\0\0\0\x01', 'not_lumberjack', 'expected the protocol version'],
    ['2X\0\0\0\x01', 'unknown_frame_type', 'got 3258'],
    ['2A\0\0\0\x01', 'unknown_frame_type', 'got 3241'],
    ['2C\xff\xff\xff\xff', 'frame_too_large', 'max_frame_bytes = 1000000, got one of 4294967295'],
    ['2J\0\0\0\x01\x7f\0\0\0', 'frame_too_large', 'max_frame_bytes'],
    ['1D\0\0\0\x01\xff\xff\xff\xff', 'too_many_fields', 'got 4294967295'],
    ['1D\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff', 'frame_too_large', 'max_frame_bytes'],
  ])('%j', (bytes, reason, message) => {
    const decoder = new FrameDecoder(LIMITS)
    decoder.push(Buffer.from(bytes, 'latin1'))
    let thrown: unknown
    try {
      decoder.next()
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(FrameError)
    expect(thrown).toMatchObject({ reason, message: expect.stringContaining(message) as string })
  })
})

test('names and values of version 1 are read back, whatever is in them', () => {
  const names = fc.array(fc.tuple(fc.string(), fc.string({ unit: 'grapheme' })), { maxLength: 20 })
  fc.assert(
    fc.property(names, (pairs) => {
      const decoder = new FrameDecoder(LIMITS)
      decoder.push(pairsFrame(3, pairs))
      const frame = decoder.next()
      const read: [string, string][] = []
      if (frame?.kind === 'pairs') readPairs(frame.body, (name, value) => read.push([name, value]))
      expect(read).toEqual(pairs)
    }),
  )
})

test('an ack carries the version of its window', () => {
  expect(encodeAck(2, 4_294_967_295).toString('latin1')).toBe('2A\xff\xff\xff\xff')
  expect(encodeAck(1, 5).toString('latin1')).toBe('1A\0\0\0\x05')
})
