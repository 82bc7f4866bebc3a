import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { deflateSync } from 'node:zlib'

/** Frames as a Lumberjack client writes them. Written from the wire format alone, so that it can judge the decoder. */
export function windowFrame(count: number, version = 2): Buffer {
  return header(version, 'W', count)
}

export function jsonFrame(sequence: number, event: string | Buffer | object): Buffer {
  const body = Buffer.isBuffer(event) ? event : Buffer.from(typeof event === 'string' ? event : JSON.stringify(event))
  return Buffer.concat([header(2, 'J', sequence, body.length), body])
}

/** An event of version 1: names and values. */
export function pairsFrame(sequence: number, pairs: readonly (readonly [name: string, value: string])[]): Buffer {
  const parts = [header(1, 'D', sequence, pairs.length)]
  for (const text of pairs.flat()) {
    const bytes = Buffer.from(text)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    parts.push(length, bytes)
  }
  return Buffer.concat(parts)
}

export function compressedFrame(frames: Buffer, level = 3, version = 2): Buffer {
  const body = deflateSync(frames, { level })
  return Buffer.concat([header(version, 'C', body.length), body])
}

function header(version: number, type: string, ...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(2 + 4 * numbers.length)
  bytes.write(`${version}${type}`, 'latin1')
  for (const [index, number] of numbers.entries()) bytes.writeUInt32BE(number, 2 + 4 * index)
  return bytes
}

export interface WindowOptions {
  /** As Filebeat's compression_level; 0 sends bare frames. */
  readonly level?: number
  readonly first_sequence?: number
}

/** A whole window: `W`, then one `C` of all events, or bare `J` frames. */
export function encodeWindow(events: readonly (string | Buffer | object)[], options: WindowOptions = {}): Buffer {
  const { level = 3, first_sequence = 1 } = options
  const frames = Buffer.concat(events.map((event, index) => jsonFrame(first_sequence + index, event)))
  return Buffer.concat([windowFrame(events.length), level === 0 ? frames : compressedFrame(frames, level)])
}

export interface LumberjackAddress {
  readonly host: string
  readonly port: number
  /** Speaks TLS with these options. */
  readonly tls?: ConnectionOptions
}

/** `127.0.0.1:5044` as host and port. */
export function parseAddress(address: string): LumberjackAddress {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
}

/** One connection that sends whatever it is told and keeps every answer. */
export class LumberjackClient implements AsyncDisposable {
  readonly socket: Socket
  /** Every answer so far: 0 is a keep-alive. */
  readonly answers: number[] = []
  /** The version byte of every answer. */
  readonly versions: string[] = []
  isClosed = false
  /** What broke the connection, where it did not come to its end. */
  failure: Error | undefined
  #rest: Buffer = Buffer.alloc(0)
  #waiting: (() => void)[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#read(chunk))
    // A server may hang up on a bad client: that shows in `isClosed`.
    socket.on('error', (error) => {
      this.failure = error
    })
    socket.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
  }

  static async connect(address: LumberjackAddress): Promise<LumberjackClient> {
    const { host, port, tls } = address
    const socket = tls === undefined ? connectTcp({ host, port }) : connectTls({ host, port, ...tls })
    await once(socket, tls === undefined ? 'connect' : 'secureConnect')
    return new LumberjackClient(socket)
  }

  /** Answers that acknowledge something. */
  get acks(): number[] {
    return this.answers.filter((answer) => answer > 0)
  }

  /** Sends bytes; waits while the other side does not read. A connection that breaks meanwhile shows in `isClosed`. */
  async send(bytes: Buffer): Promise<void> {
    if (this.socket.write(bytes) || this.isClosed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.socket.once('drain', resolve).once('close', resolve)
    await promise
    this.socket.off('drain', resolve).off('close', resolve)
  }

  /** Sends bytes in pieces that the other side sees one by one, as far as the system allows. */
  async sendPieces(bytes: Buffer, piece_bytes: number): Promise<void> {
    for (let at = 0; at < bytes.length && !this.isClosed; at += piece_bytes) {
      await this.send(bytes.subarray(at, at + piece_bytes))
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  /** Waits until a condition over the answers, or over `isClosed`, holds; looked at again at every answer. */
  async until(holds: () => boolean, timeout_ms = 60_000): Promise<void> {
    const deadline = performance.now() + timeout_ms
    while (!holds()) {
      const left_ms = deadline - performance.now()
      if (left_ms <= 0) throw new Error(`waited ${timeout_ms} ms for ${holds.toString()}; answers: ${this.answers.join(' ')}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left_ms, 1_000))
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  close(): void {
    this.socket.destroy()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return Promise.resolve()
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    for (; this.#rest.length >= 6; this.#rest = this.#rest.subarray(6)) {
      if (this.#rest[1] !== 0x41) throw new Error(`expected an ack frame, got ${this.#rest.subarray(0, 6).toString('hex')}`)
      this.versions.push(this.#rest.toString('latin1', 0, 1))
      this.answers.push(this.#rest.readUInt32BE(2))
    }
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

/**
 * Sends windows (see `encodeWindow`) with `pipelining` + 1 of them on the wire, as Filebeat does, and waits for all
 * acks, `timeout_ms` for each. Returns how many events were acknowledged.
 * @throws Error when the connection closes before that
 */
export async function sendWindows(
  client: LumberjackClient,
  windows: readonly { readonly bytes: Buffer; readonly events: number }[],
  pipelining = 2,
  timeout_ms = 60_000,
): Promise<number> {
  let acknowledged = 0
  let answered = 0
  let seen = client.answers.length
  const countAnswers = (): void => {
    for (; seen < client.answers.length; seen++) {
      const answer = client.answers[seen] ?? 0
      if (answer === windows[answered]?.events) {
        acknowledged += answer
        answered++
      }
    }
  }
  for (const [index, { bytes }] of windows.entries()) {
    await client.until(() => {
      countAnswers()
      return client.isClosed || index - answered <= pipelining
    }, timeout_ms)
    if (client.isClosed) break
    await client.send(bytes)
  }
  await client.until(() => {
    countAnswers()
    return client.isClosed || answered === windows.length
  }, timeout_ms)
  if (answered < windows.length) throw new Error(`the connection closed after ${answered} of ${windows.length} windows`)
  return acknowledged
}
