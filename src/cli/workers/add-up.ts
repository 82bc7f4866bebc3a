/** Records of one shape as one: numbers add, also in records within; of everything else the first one's stands. */
export function addUp<T extends object>(records: readonly T[]): T {
  const sums: { [name: string]: unknown } = {}
  for (const record of records) {
    for (const [name, value] of Object.entries(record)) sums[name] = name in sums ? add(sums[name], value) : value
  }
  return sums as T
}

function add(a: unknown, b: unknown): unknown {
  if (typeof a === 'number' && typeof b === 'number') return a + b
  return isRecord(a) && isRecord(b) ? addUp([a, b]) : a
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
