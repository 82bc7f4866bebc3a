import { ConfigError, MillraceError, messageOf, type Problem, type RuntimeCode } from '../../core/errors.ts'

/** What one thread may ask another: by name what is asked and what is answered. */
interface Calls {
  readonly [name: string]: { readonly asks: unknown; readonly answers: unknown }
}

/** How a thread answers. */
type Handlers<C> = {
  readonly [N in keyof C]: C[N] extends { asks: infer A; answers: infer R } ? (asked: A) => R | Promise<R> : never
}

/** One side of the way between two threads. */
interface Port {
  postMessage(message: Message): void
  on(event: 'message', listener: (message: Message) => void): unknown
}

type Message =
  | { readonly kind: 'ask'; readonly id: number; readonly name: string; readonly asked: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly refusal: Refusal }

/** An error as data. */
interface Refusal {
  readonly message: string
  readonly code?: RuntimeCode
  readonly problems?: readonly Problem[]
}

interface Pending {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
}

/** Asks the other thread, and answers what it asks. Errors come over as what they were, where they are ours. */
export class Channel<Theirs extends Calls, Ours extends Calls> {
  readonly #port: Port
  readonly #handlers: Handlers<Ours>
  readonly #pending = new Map<number, Pending>()
  #next_id = 1
  #closed: Error | undefined

  constructor(port: Port, handlers: Handlers<Ours>) {
    this.#port = port
    this.#handlers = handlers
    port.on('message', (message) => this.#received(message))
  }

  /** Rejects when the other thread refuses, or is gone. */
  async ask<N extends keyof Theirs & string>(name: N, asked: Theirs[N]['asks']): Promise<Theirs[N]['answers']> {
    if (this.#closed !== undefined) throw this.#closed
    const id = this.#next_id++
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.#pending.set(id, { resolve, reject })
    this.#send({ kind: 'ask', id, name, asked })
    return await promise
  }

  /** Asks without waiting for an answer, of which there is none worth it. */
  tell<N extends keyof Theirs & string>(name: N, asked: Theirs[N]['asks']): void {
    this.ask(name, asked).catch(() => {})
  }

  /** The other thread is gone. */
  close(why: Error): void {
    this.#closed = why
    for (const { reject } of this.#pending.values()) reject(why)
    this.#pending.clear()
  }

  #send(message: Message): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- the port of a thread has no origin
    if (this.#closed === undefined) this.#port.postMessage(message)
  }

  #received(message: Message): void {
    if (message.kind === 'ask') {
      // It answers refusals too, so it never rejects.
      void this.#answer(message.id, message.name, message.asked)
      return
    }
    const pending = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if (message.kind === 'answer') pending?.resolve(message.answer)
    else pending?.reject(errorOf(message.refusal))
  }

  async #answer(id: number, name: string, asked: unknown): Promise<void> {
    try {
      const handler = this.#handlers[name] as (asked: unknown) => unknown
      const answer = await handler(asked)
      this.#send({ kind: 'answer', id, answer })
    } catch (thrown) {
      this.#send({ kind: 'refusal', id, refusal: refusalOf(thrown) })
    }
  }
}

function refusalOf(thrown: unknown): Refusal {
  if (thrown instanceof ConfigError) return { message: thrown.message, problems: thrown.problems }
  if (thrown instanceof MillraceError) return { message: thrown.message, code: thrown.code }
  return { message: messageOf(thrown) }
}

function errorOf({ message, code, problems }: Refusal): Error {
  if (problems !== undefined) return new ConfigError(problems)
  return code === undefined ? new Error(message) : new MillraceError(code, message)
}
