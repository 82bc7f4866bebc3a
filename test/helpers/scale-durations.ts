const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 } as const
const LENGTH = '(?:\\d+(?:ms|[smhdwy]))+'

/**
 * Rules of Prometheus, or a config of Alertmanager, with every length of time divided: windows (`[5m]`, `[1d:5m]`), and the values of
 * `for`, `interval` and what ends in `_wait`, `_interval` or `_timeout`. What is compared with stays, so `> 300` seconds do not shrink.
 */
export function scaleDurations(yaml: string, divisor: number): string {
  const shorter = (text: string): string =>
    text.replaceAll(new RegExp(LENGTH, 'g'), (length) => `${Math.max(1, Math.round(toMs(length) / divisor))}ms`)
  return yaml
    .replaceAll(new RegExp(`\\[${LENGTH}(?::${LENGTH})?\\]`, 'g'), shorter)
    .replaceAll(new RegExp(`^\\s*(?:for|interval|\\w+_(?:wait|interval|timeout)): ${LENGTH}$`, 'gm'), shorter)
}

/** Prometheus' form of a length of time: `1h30m`. */
export function toMs(length: string): number {
  let total = 0
  for (const [, count, unit] of length.matchAll(/(\d+)(ms|[smhdwy])/g)) {
    total += Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS]
  }
  return total
}
