import type { ServerResponse } from 'node:http'
import type { StatusMonitor, View } from './monitor.ts'

/** Tabs that may watch at the same time: each costs a write a second. */
const CLIENTS_MAX = 20

/** A client that has not taken a frame for so many seconds is let go; until then it misses frames, so that nothing piles up. */
const MISSED_MAX = 5

/** Sends every view to all who watch, as server-sent events. */
export class EventStream {
  readonly #monitor: StatusMonitor
  /** How many frames in a row each of them missed. */
  readonly #clients = new Map<ServerResponse, number>()
  readonly #unsubscribe: () => void

  constructor(monitor: StatusMonitor) {
    this.#monitor = monitor
    this.#unsubscribe = monitor.subscribe((view) => this.#send(view))
  }

  get watchers(): number {
    return this.#clients.size
  }

  get is_full(): boolean {
    return this.#clients.size >= CLIENTS_MAX
  }

  /** Headers are sent by the caller's status and this; the first frame follows at once. */
  add(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
    response.on('close', () => this.#clients.delete(response))
    // A client that goes away while we write is closed as well, and that is all there is to say.
    response.on('error', () => {})
    this.#clients.set(response, 0)
    response.write(`retry: 2000\n${frameOf(this.#monitor.view)}`)
  }

  close(): void {
    this.#unsubscribe()
    for (const response of this.#clients.keys()) response.end()
  }

  #send(view: View): void {
    if (this.#clients.size === 0) return
    const frame = frameOf(view)
    for (const [response, missed] of this.#clients) {
      if (!response.writableNeedDrain) {
        response.write(frame)
        this.#clients.set(response, 0)
      } else if (missed < MISSED_MAX) {
        this.#clients.set(response, missed + 1)
      } else {
        response.destroy()
      }
    }
  }
}

/** JSON has no raw newline in it, so that one data line holds it. */
function frameOf(view: View): string {
  return `data: ${JSON.stringify(view)}\n\n`
}
