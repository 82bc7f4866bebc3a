import type { Context, Counter, Log } from '../../src/core/context.ts'
import { Timestamp } from '../../src/core/values.ts'

export interface TestContext extends Context {
  /** Every log line so far: `warn kind: message`. */
  readonly lines: string[]
  /** The address that was reported last. */
  address(): string | undefined
}

/** A context whose log and addresses can be read, with a clock that stands still unless told otherwise. */
export function testContext(overrides: Partial<Context> = {}): TestContext {
  const lines: string[] = []
  let listening: string | undefined
  const line =
    (level: string): Log['info'] =>
    (kind, message) => {
      lines.push(`${level} ${kind}: ${message}`)
    }
  const counters = new Map<string, Counter & { inc(by?: number): void }>()
  return {
    id: 'test',
    where: 'test:1:1',
    ecs_compatibility: 'disabled',
    log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
    metrics: {
      counter: (name, _help, labels = {}) => {
        const key = `${name}${JSON.stringify(labels)}`
        let counter = counters.get(key)
        if (counter === undefined) {
          let value = 0
          counter = {
            inc: (by = 1) => {
              value += by
            },
            get value() {
              return value
            },
          }
          counters.set(key, counter)
        }
        return counter
      },
      gauge: () => {},
      histogram: () => ({ observe: () => {} }),
      derived: () => ({ record: () => {}, set: () => {} }),
    },
    clock: { now: () => Date.UTC(2026, 0, 2, 3, 4, 5), timestamp: () => new Timestamp(Date.UTC(2026, 0, 2, 3, 4, 5)) },
    paths: { data: 'data', config: '.' },
    addresses: {
      listening: (_id, address) => {
        listening = address
      },
    },
    lines,
    address: () => listening,
    ...overrides,
  }
}
