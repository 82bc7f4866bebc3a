/** Numbers from 0 up to and without 1. */
export type Random = () => number

/** Mulberry32: small, the same everywhere, and good enough for a sample. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)] as T
}

/** A whole number from `first` to `last`. */
export function wholeBetween(first: number, last: number, random: Random): number {
  return first + Math.floor(random() * (last - first + 1))
}

/** Two hexadecimal digits a byte; `bytes` is a multiple of 4. */
export function hex(random: Random, bytes: number): string {
  let text = ''
  for (let index = 0; index < bytes; index += 4) {
    text += Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')
  }
  return text
}

export function digits(random: Random, count: number): string {
  return String(Math.floor(random() * 10 ** count)).padStart(count, '0')
}
