import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** What becomes of a connection. `cut` and `half_open` come after a random number of bytes, so most often in mid-frame. */
const FATES = ['pass', 'cut', 'slow', 'half_open'] as const
type Fate = (typeof FATES)[number]

export interface FaultyProxyOptions {
  readonly port: number
  /** Where it listens; default: any free one. */
  readonly own_port?: number
  readonly random: () => number
  /** Share of the connections that get each fate; what is left passes. */
  readonly shares?: { readonly [fate in Exclude<Fate, 'pass'>]?: number }
  /** A cut or a silence begins after at most so many bytes. */
  readonly bytes_max?: number
  /** The wait before each piece of a slow connection. */
  readonly slow_ms?: number
}

/** A TCP proxy of 127.0.0.1 between two sides that both believe in the network: it cuts, delays and falls silent. */
export class FaultyProxy implements AsyncDisposable {
  /** How many connections had each fate. */
  readonly fates = new Map<Fate, number>(FATES.map((fate) => [fate, 0]))
  readonly #options: FaultyProxyOptions
  readonly #server: Server
  readonly #open = new Set<Socket>()
  /** How often the connections of the moment were silenced. */
  #silences = 0
  #isDown = false
  #isFaulty = true
  #port = 0

  private constructor(options: FaultyProxyOptions) {
    this.#options = options
    this.#server = createServer((socket) => this.#accept(socket))
  }

  static async start(options: FaultyProxyOptions): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(options)
    proxy.#server.listen(options.own_port ?? 0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    const address = proxy.#server.address()
    if (address === null || typeof address === 'string') throw new Error('expected a TCP address')
    proxy.#port = address.port
    return proxy
  }

  get port(): number {
    return this.#port
  }

  /** Cuts all connections and takes none, as a server that was killed. */
  down(): void {
    this.#isDown = true
    for (const socket of this.#open) socket.resetAndDestroy()
  }

  up(): void {
    this.#isDown = false
  }

  /** The connections that are open now carry half of the next answer and then nothing any more, and neither side learns of it. */
  silence(): void {
    this.#silences++
  }

  /** From now on connections only pass; those that are broken already stay so. */
  heal(): void {
    this.#isFaulty = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.down()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(near: Socket): void {
    if (this.#isDown) return void near.resetAndDestroy()
    const far = connect(this.#options.port, '127.0.0.1')
    const both = [near, far] as const
    let isSilent = false
    const silences = this.#silences
    const end = (): void => {
      for (const socket of both) socket.destroy()
    }
    for (const socket of both) {
      this.#open.add(socket)
      // An error is followed by the close.
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#open.delete(socket)
        // On a half-open connection neither side learns that the other is gone.
        if (!isSilent) end()
      })
    }
    const fate = this.#isFaulty ? this.#draw() : 'pass'
    this.fates.set(fate, (this.fates.get(fate) ?? 0) + 1)
    const { bytes_max = 100_000, random } = this.#options
    const limit = fate === 'cut' || fate === 'half_open' ? Math.ceil(random() * bytes_max) : Infinity
    let passed = 0
    const pump = async (from: Socket, to: Socket): Promise<void> => {
      for await (const piece of from as AsyncIterable<Buffer>) {
        if (fate === 'slow') await delay(this.#options.slow_ms ?? 20)
        const left = limit - passed
        passed += piece.length
        if (isSilent) continue
        if (silences < this.#silences && from === far) {
          isSilent = true
          to.write(piece.subarray(0, Math.ceil(piece.length / 2)))
          continue
        }
        if (left > 0 && !to.write(piece.length > left ? piece.subarray(0, left) : piece)) await once(to, 'drain')
        if (passed >= limit && fate === 'cut') return end()
        if (passed >= limit) {
          isSilent = true
          // To leave the loop would close the connection.
          await new Promise(() => {})
        }
      }
      if (!isSilent) to.end()
    }
    // A connection that breaks is what this proxy is for.
    pump(near, far).catch(end)
    pump(far, near).catch(end)
  }

  #draw(): Fate {
    let place = this.#options.random()
    for (const fate of FATES) {
      place -= fate === 'pass' ? 0 : (this.#options.shares?.[fate] ?? 0)
      if (place < 0) return fate
    }
    return 'pass'
  }
}
