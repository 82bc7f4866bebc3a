import { readdirSync, readFileSync } from 'node:fs'
import { loadavg } from 'node:os'

/** What Logstash tells of its process, of this one, with all its threads. What the system does not tell is `undefined`. */
export interface ProcessFacts {
  readonly threads: number | undefined
  readonly open_files: number | undefined
  readonly max_files: number | undefined
  readonly virtual_bytes: number | undefined
  readonly cpu_ms: number
  readonly load: readonly number[]
}

export function readProcessFacts(): ProcessFacts {
  const { user, system } = process.cpuUsage()
  const status = read('/proc/self/status')
  return {
    threads: numberIn(status, /^Threads:\s*(\d+)/m),
    open_files: countFiles(),
    max_files: numberIn(read('/proc/self/limits'), /^Max open files\s+(\d+)/m),
    virtual_bytes: scaled(numberIn(status, /^VmSize:\s*(\d+) kB/m), 1_024),
    cpu_ms: (user + system) / 1_000,
    load: loadavg(),
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
