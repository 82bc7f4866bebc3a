import { isIPv6 } from 'node:net'

/** An IP address in the form that the search tree of a database wants. */
export interface Address {
  /** One 32-bit word for IPv4, four for IPv6, the most significant first; signed, for V8 keeps those without boxes. */
  readonly words: readonly number[]
  /** As Logstash prints it: IPv6 in full, `2001:218:0:0:0:0:0:1`. */
  readonly text: string
}

/** The longest text of an address, in brackets: eight groups, the last two as IPv4. Nothing longer is looked at. */
export const ADDRESS_LENGTH_MAX = 47

/**
 * Reads an IPv4 or IPv6 address. IPv4 within IPv6 (`::ffff:81.2.69.160`) is read as IPv4. Anything else is
 * `undefined`, host names too: they are never resolved.
 */
export function parseAddress(text: string): Address | undefined {
  const word = readIpv4(text, 0, text.length)
  if (word >= 0) return { words: [word | 0], text }
  if (text.length > ADDRESS_LENGTH_MAX || !text.includes(':')) return undefined
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  return isIPv6(bare) && !bare.includes('%') ? readIpv6(bare) : undefined
}

/** The address in a part of a text as an unsigned 32-bit number, or -1. Runs for every event: no regex, no allocation. */
export function readIpv4(text: string, start: number, end: number): number {
  if (end - start < 7 || end - start > 15) return -1
  let address = 0
  let octet = -1
  let dots = 0
  for (let index = start; index < end; index++) {
    const digit = text.charCodeAt(index) - ZERO
    if (digit === DOT) {
      if (octet < 0 || ++dots > 3) return -1
      address = address * 256 + octet
      octet = -1
    } else if (digit < 0 || digit > 9 || octet === 0) {
      return -1
    } else {
      octet = octet < 0 ? digit : octet * 10 + digit
      if (octet > 255) return -1
    }
  }
  return dots === 3 && octet >= 0 ? address * 256 + octet : -1
}

const ZERO = 0x30
const DOT = 0x2e - ZERO

/** Reads what is known to be an IPv6 address without a zone. */
function readIpv6(text: string): Address {
  const [left = '', right] = text.split('::')
  const head = groupsOf(left)
  const tail = groupsOf(right ?? '')
  const groups = [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
  const words = [0, 2, 4, 6].map((index) => ((groups[index] ?? 0) << 16) | (groups[index + 1] ?? 0))
  if (words[0] === 0 && words[1] === 0 && words[2] === 0xffff) {
    const word = words[3] ?? 0
    return { words: [word], text: formatIpv4(word) }
  }
  return { words, text: formatIpv6(words) }
}

function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const word = readIpv4(group, 0, group.length)
    return [word >>> 16, word & 0xffff]
  })
}

/** The words of an address as Logstash prints them. */
function formatAddress(words: readonly number[]): string {
  return words.length === 1 ? formatIpv4(words[0] ?? 0) : formatIpv6(words)
}

function formatIpv4(word: number): string {
  return [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff).join('.')
}

function formatIpv6(words: readonly number[]): string {
  return words.map((word) => `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`).join(':')
}

/** The first `length` bits of an address as a network: `81.2.69.0/24`. */
export function formatNetwork(words: readonly number[], length: number): string {
  const masked = words.map((word, index) => {
    const bits = Math.min(32, Math.max(0, length - index * 32))
    return bits === 0 ? 0 : word & (-1 << (32 - bits))
  })
  return `${formatAddress(masked)}/${length}`
}
