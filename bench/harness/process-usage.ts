import { readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { NullServer } from './null-server.ts'

/** USER_HZ, in which /proc counts processor time: 100 on every Linux that Node runs on. */
const TICKS_A_SECOND = 100

/** Processor time that a process has used so far, user and system. Linux only. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name, in parentheses, may hold anything; behind it come state (3), … utime (14), stime (15).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
}

/** Memory of a process that is in RAM: now, and the most it ever had. */
export async function residentBytesOf(pid: number): Promise<{ readonly now: number; readonly peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024
  return { now: read('VmRSS'), peak: read('VmHWM') }
}

const POLL_MS = 20
/** Where for so long nothing comes, nothing will. */
const SILENCE_MS = 120_000

/**
 * Processor time that a process takes while the server gets `events` documents, once it has got `warm_up` of them.
 * @param before how many the server had at first
 */
export async function cpuBetween(
  pid: number,
  server: NullServer,
  before: number,
  warm_up: number,
  events: number,
): Promise<number> {
  const [from, first] = await cpuAt(pid, server, before + warm_up)
  const [to, last] = await cpuAt(pid, server, before + warm_up + events)
  return ((to - from) * events) / (last - first)
}

/** Processor time once the server has so many documents, and how many it had then. */
async function cpuAt(pid: number, server: NullServer, documents: number): Promise<[cpu_s: number, documents: number]> {
  let most = -1
  let grown_ms = performance.now()
  for (;;) {
    const now = await server.documents()
    if (now > most) grown_ms = performance.now()
    most = now
    if (performance.now() - grown_ms > SILENCE_MS) throw new Error(`expected ${documents} documents at the server, got ${now}`)
    if (now >= documents) return [await cpuSecondsOf(pid), now]
    await wait(POLL_MS)
  }
}
