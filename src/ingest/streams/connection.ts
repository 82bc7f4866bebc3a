import type { Socket } from 'node:net'
import { startReading, stopReading } from '../../network/reading.ts'
import type { Intake, Reader } from '../intake.ts'
import { Progress } from '../progress.ts'
import { PIECE_BYTES } from '../shares.ts'
import { isBroken, type StreamConsumer, StreamOpening, type StreamPeer } from './stream.ts'
import type { Unfinished, UnfinishedLines } from './unfinished-lines.ts'

/** What the connections of one input share. */
export interface StreamServices {
  readonly intake: Intake
  /** Those of the process and of the input: each with a limit of its own. */
  readonly unfinished: readonly UnfinishedLines<StreamConnection>[]
  readonly proxy_protocol: boolean
  /** So long with a line begun without its end or another kilobyte, and it is hung up on; 0: never. */
  readonly unfinished_line_ms: number
  /** So long without a byte, and it is hung up on; 0: never. */
  readonly inactivity_ms: number
  accept(peer: StreamPeer): Promise<StreamConsumer>
  /** Hears who is hung up on for saying nothing. */
  silent(connection: StreamConnection): void
  /** Hears who is hung up on for being slow. @param bytes what came in that time */
  tooSlow(connection: StreamConnection, bytes: number): void
  /** Hears who is hung up on because its unfinished line is the largest of too many. */
  tooLarge(connection: StreamConnection): void
}

/** What a connection takes that is closed, while its last lines wait: a sender may open one for each line. */
const CLOSED_BYTES = 16 * 1024
/** Who has so much waiting is not read. */
const WAITING_BYTES_MAX = 64 * 1024

const NEVER = new AbortController().signal

/**
 * One connection whose other side sends and is never answered: what comes is handed to its consumer, in its turn. What came whole
 * is handed on also when the connection has ended, for nobody sends it again.
 */
export class StreamConnection implements Reader, Unfinished {
  /** Of `Reader`: all that waits can be handed on. */
  readonly is_incomplete = false
  readonly address: string
  /** Resolves when it is closed and all that came is handed on; rejects with what failed. */
  readonly done: Promise<void>
  readonly #socket: Socket
  readonly #services: StreamServices
  readonly #opening: StreamOpening
  readonly #progress: Progress
  /** Since its last byte. */
  readonly #silence: Progress
  readonly #pieces: Buffer[] = []
  #held_bytes = 0
  #consumer: StreamConsumer | undefined
  #is_at_work = false
  #is_read = false
  #has_ended = false
  #failure: Error | undefined
  #wake: (() => void) | undefined

  constructor(socket: Socket, address: string, services: StreamServices) {
    this.#socket = socket
    this.address = address
    this.#services = services
    this.#opening = new StreamOpening(socket, services.proxy_protocol)
    this.#progress = new Progress(services.unfinished_line_ms, () => this.#checkProgress())
    this.#silence = new Progress(services.inactivity_ms, () => this.#fellSilent())
    // Until the intake says so.
    this.stop()
    socket.on('data', (piece: Buffer) => this.#receive(piece))
    socket.on('end', () => this.#end())
    socket.on('error', (error) => {
      if (!isBroken(error)) this.#failure = error
    })
    socket.on('close', () => this.#end())
    this.done = this.#run()
  }

  /** Of `Reader`. */
  start(): void {
    startReading(this.#socket)
    this.#is_read = true
    this.#setClocks()
  }

  /** Of `Reader`. */
  stop(): void {
    stopReading(this.#socket)
    this.#is_read = false
    this.#setClocks()
  }

  /** Of `Reader`: never asked, for nothing that it holds is incomplete. */
  giveUp(): void {
    this.hangUp()
  }

  /** Of `Unfinished`. */
  get pending_bytes(): number {
    return this.#is_at_work ? 0 : (this.#consumer?.pending_bytes ?? this.#opening.pending_bytes)
  }

  /** What it sent waits for us. */
  get #isHeldBack(): boolean {
    return this.#is_at_work || this.#pieces.length > 0
  }

  /** Reads no more. What came before is handed on. */
  hangUp(): void {
    // What Node has read already is there for nobody else: `#receive` hears it.
    while (this.#socket.read() !== null);
    this.#end()
    this.#socket.destroy()
  }

  /** They run while its sender could send. */
  #setClocks(): void {
    const is_running = this.#is_read && !this.#isHeldBack
    for (const clock of [this.#progress, this.#silence]) {
      if (is_running) clock.resume()
      else clock.pause()
    }
  }

  #receive(piece: Buffer): void {
    this.#services.intake.received(this, piece.length)
    this.#progress.received(piece.length)
    this.#silence.made()
    this.#pieces.push(piece)
    this.#setClocks()
    this.#hold(piece.length + PIECE_BYTES)
    this.#askForMore()
    this.#wake?.()
  }

  #askForMore(): void {
    const { intake } = this.#services
    if (this.#has_ended) return
    if (this.#held_bytes < WAITING_BYTES_MAX) intake.want(this)
    else {
      intake.leave(this)
      this.stop()
    }
  }

  #end(): void {
    if (!this.#has_ended) this.#hold(CLOSED_BYTES)
    this.#has_ended = true
    this.#services.intake.leave(this)
    this.#wake?.()
  }

  async #run(): Promise<void> {
    try {
      await this.#work()
    } finally {
      await this.#finish().finally(() => this.#leave())
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  async #work(): Promise<void> {
    while (!this.#has_ended || this.#pieces.length > 0) {
      if (this.#pieces.length > 0) await this.#takePieces()
      this.#askForMore()
      if (this.#pieces.length > 0 || this.#has_ended) continue
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async #takePieces(): Promise<void> {
    this.#is_at_work = true
    // Its line may end with these: until then it is nobody's largest one.
    this.#limit(0)
    const pieces = this.#pieces.splice(0)
    const held_bytes = pieces.reduce((sum, { length }) => sum + length + PIECE_BYTES, 0)
    try {
      const came = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)
      // A line, or an opening, may begin long after the one before it.
      if (!this.#isMidLine) this.#progress.made()
      const bytes = this.#consumer === undefined ? this.#opening.take(came) : came
      if (bytes !== undefined && bytes.length > 0) await this.#hand(bytes)
    } finally {
      this.#is_at_work = false
      this.#hold(-held_bytes)
      this.#setClocks()
    }
    this.#limit(this.pending_bytes)
  }

  async #hand(bytes: Buffer): Promise<void> {
    this.#consumer ??= await this.#services.accept(this.#opening.peer)
    using _turn = await this.#services.intake.turn(this, this.#services, NEVER)
    const before = this.#consumer.ended_lines
    await this.#consumer.take(bytes)
    if (this.#consumer.ended_lines > before) this.#progress.made()
  }

  async #finish(): Promise<void> {
    if (this.#consumer === undefined) return
    using _turn = await this.#services.intake.turn(this, this.#services, NEVER)
    await this.#consumer.finish()
  }

  #limit(bytes: number): void {
    for (const lines of this.#services.unfinished) {
      const largest = lines.hold(this, bytes)
      if (largest === undefined) continue
      this.#services.tooLarge(largest)
      largest.#forget()
      largest.hangUp()
    }
  }

  #forget(): void {
    for (const lines of this.#services.unfinished) lines.hold(this, 0)
  }

  #hold(bytes: number): void {
    this.#held_bytes += bytes
    this.#services.intake.hold(bytes)
  }

  get #isMidLine(): boolean {
    return this.#consumer?.is_mid_line === true || this.#opening.pending_bytes > 0
  }

  #fellSilent(): void {
    if (this.#has_ended) return
    this.#services.silent(this)
    this.hangUp()
  }

  #checkProgress(): void {
    if (!this.#isMidLine || this.#isHeldBack || this.#has_ended) return this.#progress.made()
    this.#services.tooSlow(this, this.#progress.unheeded_bytes)
    this.hangUp()
  }

  #leave(): void {
    this.#has_ended = true
    this.#progress.stop()
    this.#silence.stop()
    this.#forget()
    this.#hold(-this.#held_bytes)
    this.#services.intake.leave(this)
    this.#socket.destroy()
  }
}
