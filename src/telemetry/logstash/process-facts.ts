import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'

/** What Logstash tells of its JVM and process, of this one. What the system does not tell is `undefined`. */
export interface ProcessFacts {
  readonly threads: number | undefined
  readonly heap: { readonly used: number; readonly committed: number; readonly max: number }
  readonly non_heap_committed: number
  /** V8's new space, old space, and nothing. */
  readonly pools: readonly { readonly pool: 'young' | 'old' | 'survivor'; readonly used: number; readonly committed: number }[]
  readonly open_files: number | undefined
  readonly max_files: number | undefined
  readonly virtual_bytes: number | undefined
  readonly cpu_ms: number
  /** Since the last look, of all processors. */
  readonly cpu_percent: number
  readonly load: readonly number[]
}

/** Looks at the process; how busy it was is counted from look to look. */
export class ProcessLook {
  #cpu_ms = 0
  #at_ms = 0

  now(): ProcessFacts {
    const { used_heap_size, total_heap_size, heap_size_limit } = getHeapStatistics()
    const spaces = new Map(getHeapSpaceStatistics().map((space) => [space.space_name, space]))
    const poolOf = (pool: 'young' | 'old' | 'survivor', name: string): ProcessFacts['pools'][number] => {
      const space = spaces.get(name)
      return { pool, used: space?.space_used_size ?? 0, committed: space?.space_size ?? 0 }
    }
    const { user, system } = process.cpuUsage()
    const cpu_ms = (user + system) / 1_000
    const at_ms = performance.now()
    const busy = (cpu_ms - this.#cpu_ms) / Math.max(1, at_ms - this.#at_ms)
    this.#cpu_ms = cpu_ms
    this.#at_ms = at_ms
    const status = read('/proc/self/status')
    return {
      threads: numberIn(status, /^Threads:\s*(\d+)/m),
      heap: { used: used_heap_size, committed: total_heap_size, max: heap_size_limit },
      non_heap_committed: process.memoryUsage().external,
      pools: [poolOf('young', 'new_space'), poolOf('old', 'old_space'), poolOf('survivor', '')],
      open_files: countFiles(),
      max_files: numberIn(read('/proc/self/limits'), /^Max open files\s+(\d+)/m),
      virtual_bytes: scaled(numberIn(status, /^VmSize:\s*(\d+) kB/m), 1_024),
      cpu_ms,
      cpu_percent: Math.round((100 * busy) / availableParallelism()),
      load: loadavg(),
    }
  }
}

/** Only Linux has these files. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function countFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return undefined
  }
}

function numberIn(text: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor
}
