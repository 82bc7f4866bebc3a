import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip, unzip, zstdCompress, zstdDecompress } from 'node:zlib'
import { messageOf } from '../core/errors.ts'
import { inflatedSizeOfLz4 } from './lz4-frame.ts'

/** One compression as kafkajs' registry wants it. */
export interface KafkaCodec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
  decompress(compressed: Buffer): Promise<Buffer>
}

/**
 * What one record batch may inflate to. Producers size their batches by uncompressed bytes (16 kB in Java, 1 MB in
 * librdkafka and sarama, 2,048 events in Filebeat), so this is far above any honest one.
 */
const INFLATED_BYTES_MAX = 64 * 1024 * 1024

/** The compressions by their number in a record batch's attributes. */
export async function loadCodecs(): Promise<{ readonly [type: number]: KafkaCodec }> {
  const { lz4Compress, lz4Decompress, snappyCompress, snappyDecompress } = await import('@platformatic/wasm-utils')
  const limit = { maxOutputLength: INFLATED_BYTES_MAX }
  return {
    1: codec(
      (plain) => promisify(gzip)(plain),
      (packed) => inflate(() => promisify(unzip)(packed, limit)),
    ),
    2: codec(snappyCompress, (packed) => inflateSnappy(packed, snappyDecompress)),
    3: codec(lz4Compress, (packed) => {
      inflatedSizeOfLz4(packed, INFLATED_BYTES_MAX)
      return lz4Decompress(packed)
    }),
    4: codec(
      (plain) => promisify(zstdCompress)(plain),
      (packed) => inflate(() => promisify(zstdDecompress)(packed, limit)),
    ),
  }
}

type Transform = (bytes: Buffer) => Buffer | Promise<Buffer>

function codec(compress: Transform, decompress: Transform): KafkaCodec {
  return {
    compress: async ({ buffer }) => compress(buffer),
    decompress: async (compressed) => {
      try {
        return await decompress(compressed)
      } catch (thrown) {
        return standIns(compressed, messageOf(thrown))
      }
    },
  }
}

async function inflate(run: () => Promise<Buffer>): Promise<Buffer> {
  try {
    return await run()
  } catch (thrown) {
    const tooLarge = thrown instanceof RangeError && 'code' in thrown && thrown.code === 'ERR_BUFFER_TOO_LARGE'
    throw tooLarge ? new RangeError(`inflates to more than ${INFLATED_BYTES_MAX} bytes`) : thrown
  }
}

const XERIAL_MAGIC = Buffer.from('82534e4150505900', 'hex')
const XERIAL_HEADER_BYTES = 16

/**
 * Snappy as Kafka's clients write it: librdkafka one raw block, Java and sarama the xerial stream:
 *
 * ```
 * 82 53 4E 41 50 50 59 00 | version 4 | compatible version 4 | { length 4 (big endian) | raw block }…
 * ```
 */
export function inflateSnappy(packed: Buffer, decompress: (block: Buffer) => Buffer): Buffer {
  const blocks = packed.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC) ? xerialBlocks(packed) : [packed]
  let total = 0
  for (const block of blocks) total += sizeOfSnappyBlock(block)
  if (total > INFLATED_BYTES_MAX) throw new RangeError(`inflates to more than ${INFLATED_BYTES_MAX} bytes`)
  const inflated = blocks.map((block) => decompress(block))
  return inflated.length === 1 ? (inflated[0] as Buffer) : Buffer.concat(inflated)
}

function xerialBlocks(packed: Buffer): Buffer[] {
  const blocks: Buffer[] = []
  let at = XERIAL_HEADER_BYTES
  while (at < packed.length) {
    if (at + 4 > packed.length) throw new RangeError('the xerial snappy stream is cut')
    const length = packed.readUInt32BE(at)
    at += 4
    if (length === 0 || at + length > packed.length) throw new RangeError('the xerial snappy stream is cut')
    blocks.push(packed.subarray(at, at + length))
    at += length
  }
  return blocks
}

/** A raw block starts with its inflated size as a varint of at most five bytes. */
function sizeOfSnappyBlock(block: Buffer): number {
  let size = 0
  for (let index = 0; index < 5; index++) {
    const byte = block[index]
    if (byte === undefined) break
    size += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return size
  }
  throw new RangeError('expected a snappy block')
}

/**
 * Marks the records that stand in for a batch that cannot be read. Random, so that no producer can make such a record.
 */
const STAND_IN = randomBytes(16).toString('hex')

/** Bytes of a record batch before its records, and where fields are, counted back from the records. */
const LENGTH_AT = -53
const MAGIC_AT = -45
const COUNT_AT = -4
/** The part of the header that the batch's length counts. */
const COUNTED_HEADER_BYTES = 49
/** A batch with more records than its size allows for is not honest: making stand-ins for it would cost memory. */
const STAND_INS_MAX = 1_000_000
/** What the dead letter keeps. */
const KEPT_BYTES = 65_536

/**
 * Records in place of those of a batch that cannot be inflated. Throwing instead would make kafkajs fetch the same
 * batch again, for ever, and nothing behind it would be read. The header of the batch stands in the same memory, right
 * before the compressed bytes:
 *
 * ```
 * offset 8 | length 4 | epoch 4 | magic 1 | crc 4 | attributes 2 | last offset delta 4 | timestamps 16 | producer 14 | count 4
 * ```
 * The first stand-in carries the start of the batch as its value and why it cannot be read, the others are empty.
 * @throws Error where that header is not there (message formats before Kafka 0.11)
 */
function standIns(compressed: Buffer, reason: string): Buffer {
  const memory = Buffer.from(compressed.buffer)
  const start = compressed.byteOffset
  const sound =
    start + LENGTH_AT >= 8 &&
    memory.readUInt8(start + MAGIC_AT) === 2 &&
    memory.readInt32BE(start + LENGTH_AT) === COUNTED_HEADER_BYTES + compressed.length
  const count = sound ? memory.readInt32BE(start + COUNT_AT) : 0
  if (count < 1 || count > STAND_INS_MAX) throw new Error(`the record batch cannot be read: ${reason}`)
  const records: Buffer[] = []
  for (let index = 0; index < count; index++) {
    const first = index === 0
    records.push(recordBytes(index, first ? compressed.subarray(0, KEPT_BYTES) : undefined, first ? reason : ''))
  }
  return Buffer.concat(records)
}

/** `length | attributes 1 | timestamp delta | offset delta | key length -1 | value | header count 1 | header name | header value`, numbers as zigzag varints. */
function recordBytes(offset_delta: number, value: Buffer | undefined, reason: string): Buffer {
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(0),
    varint(offset_delta),
    varint(-1),
    value === undefined ? varint(-1) : sized(value),
    varint(1),
    sized(Buffer.from(STAND_IN)),
    sized(Buffer.from(reason)),
  ])
  return sized(body)
}

function sized(bytes: Buffer): Buffer {
  return Buffer.concat([varint(bytes.length), bytes])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value < 0 ? -value * 2 - 1 : value * 2
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}

/**
 * Whether a record stands in for one that could not be read: why, for the first one of its batch (its value is the
 * start of the batch); `''` for the others; `undefined` for an honest record.
 */
export function unreadableReason(headers: { readonly [name: string]: unknown } | undefined): string | undefined {
  if (headers === undefined || !Object.hasOwn(headers, STAND_IN)) return undefined
  const reason = headers[STAND_IN]
  return Buffer.isBuffer(reason) ? reason.toString() : ''
}
