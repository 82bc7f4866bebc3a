/**
 * The size of what an LZ4 frame inflates to, found by walking it without writing a byte: the decoder itself has no limit.
 *
 * ```
 * frame  magic 04 22 4D 18 | FLG | BD | [content size 8] | [dictionary id 4] | header checksum 1 | block… | 00 00 00 00 | [checksum 4]
 * block  size 4 (little endian, highest bit: stored as it is) | data | [checksum 4]
 * data   sequence…: token (high half: literals, low half: match length - 4; 15: more bytes follow, each 255 means "and on")
 *        | literals | match offset 2
 * ```
 * @throws RangeError when the frame is cut or inflates to more than `limit_bytes`
 */
export function inflatedSizeOfLz4(frame: Buffer, limit_bytes: number): number {
  if (frame.length < 7 || frame.readUInt32LE(0) !== MAGIC) throw new RangeError('expected an LZ4 frame')
  const flags = frame.readUInt8(4)
  let at = 6 + (flags & HAS_CONTENT_SIZE ? 8 : 0) + (flags & HAS_DICTIONARY_ID ? 4 : 0) + 1
  let total = 0
  for (;;) {
    if (at + 4 > frame.length) throw new RangeError('the LZ4 frame is cut')
    const size = frame.readUInt32LE(at)
    at += 4
    if (size === 0) return total
    const length = size & 0x7fffffff
    if (at + length > frame.length) throw new RangeError('the LZ4 frame is cut')
    total += (size & STORED) === 0 ? inflatedSizeOfBlock(frame, at, at + length) : length
    if (total > limit_bytes) throw new RangeError(`inflates to more than ${limit_bytes} bytes`)
    at += length + (flags & HAS_BLOCK_CHECKSUMS ? 4 : 0)
  }
}

const MAGIC = 0x184d2204
const HAS_CONTENT_SIZE = 0x08
const HAS_DICTIONARY_ID = 0x01
const HAS_BLOCK_CHECKSUMS = 0x10
/** The highest bit, as JavaScript's bit operators see it. */
const STORED = 0x80000000

function inflatedSizeOfBlock(frame: Buffer, start: number, end: number): number {
  let at = start
  let total = 0
  /** Half a byte of the token, and the bytes that go on with it where the half is full. */
  const length = (half: number): number => {
    let sum = half
    for (let more = half === 15 ? 255 : 0; more === 255 && at < end; sum += more) more = frame[at++] ?? 0
    return sum
  }
  while (at < end) {
    const token = frame[at++] ?? 0
    const literals = length(token >> 4)
    at += literals
    total += literals
    if (at >= end) return total
    at += 2
    total += length(token & 15) + 4
  }
  return total
}
