/** MurmurHash3 for x86 in 32 bits, as a number from 0 to 2^32 - 1. */
export function murmur3(bytes: Buffer, seed = 0): number {
  let hash = seed | 0
  const tail = bytes.length & ~3
  for (let at = 0; at < tail; at += 4) {
    hash ^= mix(bytes.readInt32LE(at))
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  }
  let rest = 0
  for (let at = bytes.length - 1; at >= tail; at--) rest = (rest << 8) | (bytes[at] ?? 0)
  hash ^= mix(rest) ^ bytes.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function mix(word: number): number {
  const product = Math.imul(word, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}

const FIRST = 0x87c37b91114253d5n
const SECOND = 0x4cf5ad432745937fn

/** MurmurHash3 for x64 in 128 bits: its two halves one after the other, each with the lowest byte first. */
export function murmur3In128Bits(bytes: Buffer, seed = 0n): Buffer {
  let first = seed
  let second = seed
  const tail = bytes.length & ~15
  for (let at = 0; at < tail; at += 16) {
    first = u64(rotate(first ^ mixFirst(bytes.readBigUInt64LE(at)), 27n) + second)
    first = u64(first * 5n + 0x52dce729n)
    second = u64(rotate(second ^ mixSecond(bytes.readBigUInt64LE(at + 8)), 31n) + first)
    second = u64(second * 5n + 0x38495ab5n)
  }
  const rest = Buffer.alloc(16)
  bytes.copy(rest, 0, tail)
  const length = BigInt(bytes.length)
  first ^= mixFirst(rest.readBigUInt64LE(0)) ^ length
  second ^= mixSecond(rest.readBigUInt64LE(8)) ^ length
  first = u64(first + second)
  second = u64(second + first)
  first = finish(first)
  second = finish(second)
  first = u64(first + second)
  const hash = Buffer.alloc(16)
  hash.writeBigUInt64LE(first, 0)
  hash.writeBigUInt64LE(u64(second + first), 8)
  return hash
}

function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value)
}

function rotate(value: bigint, bits: bigint): bigint {
  return u64(value << bits) | (value >> (64n - bits))
}

function mixFirst(word: bigint): bigint {
  return u64(rotate(u64(word * FIRST), 31n) * SECOND)
}

function mixSecond(word: bigint): bigint {
  return u64(rotate(u64(word * SECOND), 33n) * FIRST)
}

function finish(value: bigint): bigint {
  let mixed = u64((value ^ (value >> 33n)) * 0xff51afd7ed558ccdn)
  mixed = u64((mixed ^ (mixed >> 33n)) * 0xc4ceb9fe1a85ec53n)
  return mixed ^ (mixed >> 33n)
}
