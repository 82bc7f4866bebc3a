import type { LumberjackSender, SendOrder } from './lumberjack-sender.ts'
import type { NullServer } from './null-server.ts'
import { cpuSecondsOf } from './process-usage.ts'

/** Where events come from and where they go: programs of their own, whose work is not counted. */
export interface Ends {
  readonly sender: LumberjackSender
  readonly server: NullServer
}

export interface Load {
  /** Acknowledged events a second, on the clock of the wall. */
  readonly rate: number
  /** Processor time of the program for one event, in microseconds. */
  readonly cpu_us: number
}

/**
 * Sends events to a program and tells what they cost it.
 * @throws Error where the server got another number of documents
 */
export async function sendMeasured(pid: number, { sender, server }: Ends, order: SendOrder): Promise<Load> {
  const [cpu_s, documents] = [await cpuSecondsOf(pid), await server.documents()]
  const { events, seconds } = await sender.send(order)
  const used_s = (await cpuSecondsOf(pid)) - cpu_s
  const stored = (await server.documents()) - documents
  if (stored !== events) throw new Error(`expected ${events} documents at the server, got ${stored}`)
  return { rate: events / seconds, cpu_us: (used_s * 1e6) / events }
}
