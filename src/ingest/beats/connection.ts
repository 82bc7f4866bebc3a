import type { Socket } from 'node:net'
import { setImmediate as nextTurnOfTheLoop } from 'node:timers/promises'
import type { Settled } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import { startReading, stopReading } from '../../network/reading.ts'
import type { Reader } from '../intake.ts'
import { Progress } from '../progress.ts'
import { type CloseReason, FrameError } from './closing.ts'
import type { ConnectionServices } from './connection-services.ts'
import type { EventMaker } from './event.ts'
import { encodeAck, type Frame, FrameDecoder, type Version } from './frames.ts'
import { handOver } from './hand-over.ts'
import { KeepAlive } from './keep-alive.ts'
import type { Pending } from './pending.ts'
import { Window } from './window.ts'

/** Windows of one connection that are not acknowledged yet. Filebeat has pipelining + 1 of them on the wire: 3. */
const PENDING_WINDOWS_MAX = 8
/** How long the other side may take to close after we have. */
const LINGER_MS = 1_000

/**
 * One client. Reads windows, hands them on in their order, one after the other, and acknowledges them in their order,
 * each when all of its events are stored:
 *
 *     reading -> #pending: [taken, stored?] [taken] [closed, waits for its turn] [open, still coming]
 *                           ^ acknowledged from here
 *
 * Reading pauses while too much is pending; keep-alives go on by their own timer.
 */
export class Connection implements Reader {
  /** Resolves with the reason when the connection is closed and nothing of it is being handed on. */
  readonly closed: Promise<CloseReason>
  readonly #socket: Socket
  readonly #services: ConnectionServices
  readonly #maker: EventMaker
  readonly #address: string
  readonly #decoder: FrameDecoder
  readonly #pending: Pending[] = []
  readonly #gone = new AbortController()
  readonly #progress: Progress
  readonly #keep_alive: KeepAlive
  #linger: NodeJS.Timeout | undefined
  /** No byte is read any more; what came whole is still answered. Says why. */
  #reading_ended: CloseReason | undefined
  #has_client_ended = false
  #version: Version = 2
  #is_finished = false
  #work: Promise<void> | undefined
  /** What the intake counts for this connection. */
  #held_bytes = 0

  constructor(socket: Socket, address: string, maker: EventMaker, services: ConnectionServices) {
    this.#socket = socket
    this.#services = services
    this.#maker = maker
    this.#address = address
    const { limits, context, inactivity_ms } = services
    this.#decoder = new FrameDecoder({ ...limits, max_event_bytes: context.max_event_bytes })
    this.#keep_alive = new KeepAlive(services.keep_alive_ms, () => {
      // A client that does not read its answers must not fill our memory with them.
      if (!socket.writableNeedDrain) this.#answer(this.#version, 0)
    })
    this.#progress = new Progress(inactivity_ms, () => this.#checkProgress())
    const { promise, resolve } = Promise.withResolvers<void>()
    this.closed = this.#untilClosed(promise)
    socket.setNoDelay(true)
    // Until the intake says so.
    stopReading(socket)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('drain', () => this.readOn())
    socket.on('end', () => {
      this.#has_client_ended = true
      this.readOn()
    })
    socket.on('error', (error) => this.#socketFailed(error))
    socket.on('close', () => {
      this.#cleanUp()
      resolve()
    })
    this.readOn()
  }

  async #untilClosed(socketClosed: Promise<void>): Promise<CloseReason> {
    await socketClosed
    await this.#work
    return this.#reading_ended ?? 'client_closed'
  }

  /** Reads no more, finishes what is being handed on, acknowledges what settles, then closes. */
  finish(): void {
    this.#endReading('stopped')
    this.#dropFrom(this.#pending.findIndex(({ is_taken }) => !is_taken))
    this.#finishIfDone()
  }

  /** Closes without another ack. */
  abandon(): void {
    this.#reading_ended = 'abandoned'
    this.#socket.destroy()
  }

  /** A window is under way, or what may be the beginning of one. */
  get is_incomplete(): boolean {
    return !this.#decoder.isBetweenFrames || this.#open?.window.isReady === false
  }

  start(): void {
    startReading(this.#socket)
    this.#progress.resume()
    this.#keepAlive()
  }

  stop(): void {
    stopReading(this.#socket)
    this.#progress.pause()
    this.#keepAlive()
  }

  giveUp(): void {
    this.#services.context.log.warn(
      'beats_too_slow',
      `closed the connection from ${this.#address}: its window did not become complete in time while memory for received data is short; the client will send it again`,
    )
    this.#reading_ended = 'too_slow'
    this.#socket.destroy()
  }

  /** Takes the frames that have come, and more bytes if there is room for what they bring. */
  readOn(): void {
    if (this.#reading_ended !== undefined) return
    try {
      this.#takeFrames()
    } catch (thrown) {
      this.#refuse(thrown)
    }
    this.#account()
    this.#startWork()
    if (this.#reading_ended !== undefined) return
    if (this.#has_client_ended) {
      // Frames that wait for room are taken when it comes.
      if (!this.#isFull) this.#endStream()
      return
    }
    const { intake } = this.#services
    if (this.#isFull || this.#socket.writableNeedDrain) {
      intake.leave(this)
      this.stop()
      // That it does not read its answers is its own silence.
      if (!this.#isFull) this.#progress.resume()
    } else intake.want(this)
    this.#keepAlive()
  }

  #receive(chunk: Buffer): void {
    if (this.#reading_ended !== undefined) return
    this.#progress.received(chunk.length)
    this.#services.metrics.received_bytes.inc(chunk.length)
    this.#services.intake.received(this, chunk.length)
    this.#decoder.push(chunk)
    this.readOn()
  }

  /** @throws FrameError */
  #takeFrames(): void {
    while (!this.#isFull) {
      const frame = this.#decoder.next()
      if (frame === undefined) return
      this.#progress.made()
      this.#takeFrame(frame)
    }
  }

  /** @throws FrameError */
  #takeFrame(frame: Frame): void {
    const open = this.#open
    if (frame.kind !== 'window') {
      if (open === undefined) {
        throw new FrameError(
          'frame_outside_window',
          'expected a window frame before further events, got an event or a compressed frame',
        )
      }
      open.window.add(frame)
      return
    }
    if (open !== undefined) {
      // The client began a new window although this one may not be full: what came of it is answered as a window.
      open.window.isClosed = true
      if (open.window.isEmpty) this.#pending.pop()
    }
    this.#version = frame.version
    if (frame.count === 0) this.#answer(frame.version, 0)
    else this.#pending.push({ window: new Window(frame, this.#services.limits), is_taken: false, answer: 0, outcome: undefined })
  }

  /** The window that frames are added to. */
  get #open(): Pending | undefined {
    const last = this.#pending.at(-1)
    return last === undefined || last.window.isClosed ? undefined : last
  }

  /** Whether reading on could only make more windows wait. */
  get #isFull(): boolean {
    return this.#pending.length >= PENDING_WINDOWS_MAX && this.#pending.at(-1)?.window.isReady === true
  }

  /** Tells the intake what is held now. */
  #account(): void {
    let held_bytes = this.#decoder.waiting_bytes
    for (const { window, is_taken } of this.#pending) if (!is_taken) held_bytes += window.held_bytes
    const change = held_bytes - this.#held_bytes
    this.#held_bytes = held_bytes
    if (change !== 0) this.#services.intake.hold(change)
  }

  get #next(): Pending | undefined {
    return this.#pending.find(({ is_taken }) => !is_taken)
  }

  /** Whether windows that were not handed on yet are of no use any more. */
  get #isLeaving(): boolean {
    return this.#is_finished || this.#gone.signal.aborted || this.#services.abandon.aborted
  }

  #startWork(): void {
    if (this.#work !== undefined || this.#isLeaving || this.#next?.window.isReady !== true) return
    this.#work = this.#handOverWindows().catch((thrown: unknown) => this.#failed(thrown))
  }

  /** Hands on one window after the other, as long as there are any. */
  async #handOverWindows(): Promise<void> {
    const { intake } = this.#services
    for (let next = this.#next; next?.window.isReady === true; next = this.#next) {
      if (this.#isLeaving) break
      using _turn = await intake.turn(this, this.#services, this.#gone.signal)
      try {
        await this.#handOver(next)
      } catch (thrown) {
        if (!(thrown instanceof FrameError)) throw thrown
        this.#refuse(thrown)
        this.#dropFrom(this.#pending.indexOf(next))
      }
      this.#account()
      await nextTurnOfTheLoop()
    }
    this.#work = undefined
    this.readOn()
    this.#finishIfDone()
  }

  async #handOver(pending: Pending): Promise<void> {
    const { context, deliver, metrics, abandon } = this.#services
    const { window } = pending
    const { signal } = this.#gone
    const isWhole = await window.isWhole(signal)
    if (!this.#pending.includes(pending)) return window.forget()
    if (!isWhole) return
    const { events, count } = window
    if (events < count) {
      const came = `began a window after ${events} of ${count} events: the ${events} are taken and acknowledged`
      context.log.warn('beats_short_window', `${this.#address} ${came}`)
    }
    pending.is_taken = true
    pending.answer = window.version === 1 ? window.last_sequence : events
    this.#account()
    metrics.windows.inc()
    metrics.events.inc(events)
    const { settled } = await handOver(window.takeEvents(signal), this.#maker, context, deliver, abandon, () => !signal.aborted)
    // Not awaited: the next window is handed on meanwhile. It catches what comes, and gives the window an outcome.
    void this.#settle(pending, settled)
  }

  async #settle(pending: Pending, settled: Promise<Settled>): Promise<void> {
    try {
      pending.outcome = await settled
      this.#acknowledge()
    } catch (thrown) {
      this.#failed(thrown)
    }
  }

  /** Answers the windows that have settled, oldest first, up to the first one that has not. */
  #acknowledge(): void {
    if (this.#gone.signal.aborted) return
    for (let oldest = this.#pending[0]; oldest?.outcome !== undefined; oldest = this.#pending[0]) {
      if (oldest.outcome === 'abandoned') return this.#finish('abandoned')
      this.#pending.shift()
      this.#answer(oldest.window.version, oldest.answer)
      this.#progress.restart() // Until now it waited for us.
    }
    this.readOn()
    this.#keepAlive()
    this.#finishIfDone()
  }

  #answer(version: Version, sequence: number): void {
    if (this.#socket.writable) this.#socket.write(encodeAck(version, sequence))
  }

  #keepAlive(): void {
    this.#keep_alive.set(!this.#is_finished && (this.#pending.length > 0 || this.#socket.isPaused()))
  }

  #checkProgress(): void {
    const isOurTurn = this.#pending.some(({ window }) => window.isReady)
    if (isOurTurn || this.#reading_ended !== undefined) return this.#progress.restart()
    const { unheeded_bytes } = this.#progress
    if (unheeded_bytes === 0) return this.#finish('idle')
    const what = `${unheeded_bytes} bytes in client_inactivity_timeout, and no whole frame`
    this.#services.context.log.warn('beats_too_slow', `closing the connection from ${this.#address}: ${what}`)
    this.#finish('too_slow')
  }

  /** The client will send no more, and all frames that came are taken; it may still wait for answers. */
  #endStream(): void {
    const isWhole = this.#decoder.isBetweenFrames && (this.#open?.window.isReady ?? true)
    this.#endReading(isWhole ? 'client_closed' : 'client_gone_mid_window')
    this.#dropUnready()
    this.#finishIfDone()
  }

  /** The stream can not be understood: what came whole before is still answered, then the connection is closed. */
  #refuse(thrown: unknown): void {
    if (!(thrown instanceof FrameError)) return this.#failed(thrown)
    this.#services.context.log.warn(`beats_${thrown.reason}`, `closing the connection from ${this.#address}: ${thrown.message}`)
    this.#endReading(thrown.reason)
    this.#dropUnready()
    this.#finishIfDone()
  }

  #failed(thrown: unknown): void {
    if (this.#gone.signal.aborted || this.#services.abandon.aborted) return
    this.#services.context.log.error(
      'beats_connection_failed',
      `closed the connection from ${this.#address} without an ack, the client will send again: ${messageOf(thrown)}`,
    )
    this.#reading_ended = 'failed'
    this.#socket.destroy()
  }

  #socketFailed(error: Error): void {
    this.#services.context.log.debug('beats_connection_error', `${this.#address}: ${messageOf(error)}`)
    this.#reading_ended ??= 'connection_error'
  }

  #endReading(reason: CloseReason): void {
    this.#reading_ended ??= reason
    this.#decoder.clear()
    stopReading(this.#socket)
    this.#services.intake.leave(this)
  }

  /** Forgets windows that nobody will answer: their client sends them again. */
  #dropFrom(index: number): void {
    if (index >= 0) this.#pending.length = index
    this.#account()
  }

  /** Forgets the window that nothing more will come for. */
  #dropUnready(): void {
    const open = this.#open
    if (open !== undefined && !open.window.isReady) this.#dropFrom(this.#pending.indexOf(open))
  }

  #finishIfDone(): void {
    if (this.#reading_ended === undefined) return
    this.#startWork()
    if (this.#work !== undefined) return
    // What is not taken by now was not complete.
    this.#dropFrom(this.#pending.findIndex(({ is_taken }) => !is_taken))
    if (this.#pending.length === 0) this.#finish(this.#reading_ended)
  }

  /** Sends what is to be sent and closes. */
  #finish(reason: CloseReason): void {
    if (this.#is_finished) return
    this.#is_finished = true
    this.#endReading(reason)
    this.#keepAlive()
    this.#progress.stop()
    this.#socket.end()
    // Bytes that were never read would turn our close into a reset, which can take the last acks with it.
    startReading(this.#socket)
    this.#linger = setTimeout(() => this.#socket.destroy(), LINGER_MS)
  }

  #cleanUp(): void {
    this.#reading_ended ??= 'client_closed'
    this.#is_finished = true
    this.#gone.abort(new Error('the connection is closed'))
    this.#progress.stop()
    clearTimeout(this.#linger)
    this.#keep_alive.set(false)
    this.#decoder.clear()
    this.#pending.length = 0
    this.#account()
    this.#services.intake.leave(this)
  }
}
