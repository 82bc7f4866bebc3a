import { crc32 } from 'node:zlib'

/*
 * A segment file, all numbers big-endian:
 *
 *   segment = header record*
 *   header  = magic "MILLSEG" (7 bytes)  version u8
 *   record  = length u32  crc32 u32  sequence u64  payload[length]
 *
 * The checksum covers sequence and payload. The sequence goes up by one or more from record to record, also from
 * file to file; a file's name is the sequence of its first record.
 */
const MAGIC = Buffer.from('MILLSEG')
const VERSION = 1
export const SEGMENT_HEADER = Buffer.concat([MAGIC, Buffer.from([VERSION])])
export const RECORD_HEADER_BYTES = 16

/** No record is larger: an event of 10 MiB is far below it in every form, so a larger length is damage. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024

export interface StoredRecord {
  readonly sequence: bigint
  readonly payload: Buffer
}

/** The bytes of a record. */
export function encodeRecord(sequence: bigint, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(RECORD_HEADER_BYTES + payload.length)
  bytes.writeUInt32BE(payload.length, 0)
  bytes.writeBigUInt64BE(sequence, 8)
  payload.copy(bytes, RECORD_HEADER_BYTES)
  bytes.writeUInt32BE(crc32(bytes.subarray(8)), 4)
  return bytes
}

/** The size of a record, header included. Needs the first four bytes. */
export function recordBytes(header: Buffer): number {
  return RECORD_HEADER_BYTES + header.readUInt32BE(0)
}

/** The record in exactly these bytes, or `undefined` where the checksum does not fit. */
export function decodeRecord(bytes: Buffer): StoredRecord | undefined {
  if (crc32(bytes.subarray(8)) !== bytes.readUInt32BE(4)) return undefined
  return { sequence: bytes.readBigUInt64BE(8), payload: bytes.subarray(RECORD_HEADER_BYTES) }
}

const SEGMENT_NAME = /^(\d{20})\.segment$/

/** File names sort by sequence: the largest u64 has twenty digits. */
export function segmentName(first_sequence: bigint): string {
  return `${first_sequence.toString().padStart(20, '0')}.segment`
}

/** The sequence in a segment's file name, or `undefined` for other files. */
export function segmentSequence(name: string): bigint | undefined {
  const digits = SEGMENT_NAME.exec(name)?.[1]
  return digits === undefined ? undefined : BigInt(digits)
}
