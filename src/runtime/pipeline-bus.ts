import type { Settled } from '../core/contracts.ts'
import { MillraceError } from '../core/errors.ts'
import type { Event, EventState } from '../core/event.ts'
import type { BusReceiver, BusSender, EventBus } from '../core/event-bus.ts'

type Take = (events: Event[]) => Promise<Settled>

interface Receiver {
  readonly pipeline: string
  /** While its input runs. */
  take: Take | undefined
  /** Had the address before, of a pipeline that goes and may stay after all. */
  before?: Receiver | undefined
}

/** The bus of a pipeline that is made while an older one of the same id runs. */
export interface SuccessorBus {
  readonly bus: EventBus
  /**
   * The addresses of the old one are its own from now on, and those that it shares with pipelines that go.
   * @throws MillraceError INPUT_CANNOT_START where another pipeline has one
   */
  takeOver(going: readonly string[]): void
  /** The old one goes on after all. */
  giveBack(): void
  /** The old one has ended, and what only that one sent to counts no more. */
  standAlone(): void
}

function addressInUse(address: string, pipeline: string): MillraceError {
  return new MillraceError(
    'INPUT_CANNOT_START',
    `address: "${address}" is in use by an input of the pipeline ${pipeline}: give each input an address of its own`,
  )
}

/**
 * The addresses of all pipelines of a program.
 *
 * Nothing is acknowledged early: an event stays with the output that sent it until its copy, and what was made of the copy,
 * has its final state in the other pipeline. Nothing waits for room on the way, so nothing can wait in a circle: the copies
 * take their bytes from the common budget without asking, as a filter's children do, while the events they were made of hold
 * theirs. The budget lets nothing new in meanwhile, so what is held stays below the budget times one more than the copies made
 * of an event.
 */
export class PipelineBus {
  readonly #receivers = new Map<string, Receiver>()
  /** Pipeline -> addresses that it sends to, as long as it may send. */
  readonly #senders = new Map<string, Set<string>>()
  /** Addresses that some pipeline has sent to, or might have. */
  readonly #known = new Set<string>()
  readonly #waiting = new Set<() => void>()

  /** The bus as one pipeline sees it. */
  of(pipeline: string): EventBus {
    return {
      sendTo: (addresses) => this.#sendTo(pipeline, addresses),
      receiveAt: (address) => this.#receiveAt(pipeline, address),
    }
  }

  /**
   * The bus as one sees it that shall take over from a pipeline, and may come to nothing: until then it changes nothing. Addresses
   * of pipelines that hand theirs on may be free by then.
   */
  successorOf(pipeline: string, handed_on: readonly string[] = []): SuccessorBus {
    const addresses = new Set<string>()
    const receivers = new Map<string, Receiver>()
    const replaced = new Map<string, Receiver>()
    return {
      bus: {
        sendTo: (more) => {
          for (const address of more) addresses.add(address)
          return this.#sender()
        },
        receiveAt: (address) => {
          if (receivers.has(address)) throw addressInUse(address, pipeline)
          this.#checkFree(address, [pipeline, ...handed_on])
          const receiver: Receiver = { pipeline, take: undefined }
          receivers.set(address, receiver)
          return this.#receiverOf(address, receiver)
        },
      },
      takeOver: (going) => {
        for (const address of receivers.keys()) this.#checkFree(address, [pipeline, ...going])
        for (const [address, receiver] of this.#receivers) if (receiver.pipeline === pipeline) replaced.set(address, receiver)
        this.#freeAddresses(pipeline)
        for (const [address, receiver] of receivers) {
          receiver.before = this.#receivers.get(address)
          this.#receivers.set(address, receiver)
        }
        // The old one still sends what it holds.
        const own = this.#senders.get(pipeline)
        this.#senders.set(pipeline, new Set([...(own ?? []), ...addresses]))
        for (const address of addresses) this.#known.add(address)
        this.#lookAgain()
      },
      giveBack: () => {
        this.#freeAddresses(pipeline)
        for (const [address, receiver] of replaced) this.#receivers.set(address, receiver)
        this.#lookAgain()
      },
      standAlone: () => {
        if (!this.#senders.has(pipeline)) return
        this.#senders.set(pipeline, addresses)
        this.#lookAgain()
      },
    }
  }

  /** A pipeline is taken out of the config: it takes no more, also where others still send to it. */
  close(pipeline: string): void {
    this.#freeAddresses(pipeline)
    this.#lookAgain()
  }

  /** A pipeline has ended, or will never run: it sends no more, and its addresses are free. */
  leave(pipeline: string): void {
    this.#senders.delete(pipeline)
    this.#freeAddresses(pipeline)
    this.#lookAgain()
  }

  #freeAddresses(pipeline: string): void {
    for (const [address, receiver] of this.#receivers) {
      const { before } = receiver
      if (before?.pipeline === pipeline) receiver.before = undefined
      if (receiver.pipeline !== pipeline) continue
      if (before === undefined) this.#receivers.delete(address)
      else this.#receivers.set(address, before)
    }
  }

  #checkFree(address: string, handed_on: readonly string[]): void {
    const present = this.#receivers.get(address)
    if (present !== undefined && !handed_on.includes(present.pipeline)) throw addressInUse(address, present.pipeline)
  }

  #lookAgain(): void {
    for (const look of this.#waiting) look()
  }

  #sendTo(pipeline: string, addresses: readonly string[]): BusSender {
    const own = this.#senders.get(pipeline) ?? new Set()
    this.#senders.set(pipeline, own)
    for (const address of addresses) {
      own.add(address)
      this.#known.add(address)
    }
    return this.#sender()
  }

  #sender(): BusSender {
    return {
      isOpen: (address) => this.#receivers.get(address)?.take !== undefined,
      send: (address, events) => this.#send(address, events),
    }
  }

  async #send(address: string, events: readonly Event[]): Promise<readonly EventState[]> {
    const take = this.#receivers.get(address)?.take
    // A copy whose end nobody tells lives on in what was made of it.
    const states = Array.from<EventState>({ length: events.length }).fill('consumed')
    const copies = events.map((event, position) => {
      const copy = event.copyFor(address)
      copy.whenSettled((state) => {
        // One on the other pipeline's disk lives on there too.
        if (state !== 'buffered') states[position] = state
      })
      return copy
    })
    if ((await take?.(copies)) === 'stored') return states
    throw new MillraceError('OUTPUT_UNAVAILABLE', `the pipeline at '${address}' left before it had stored everything`)
  }

  #receiveAt(pipeline: string, address: string): BusReceiver {
    this.#checkFree(address, [])
    const receiver: Receiver = { pipeline, take: undefined }
    this.#receivers.set(address, receiver)
    return this.#receiverOf(address, receiver)
  }

  #receiverOf(address: string, receiver: Receiver): BusReceiver {
    return {
      receive: async (take, stop, abandon) => {
        receiver.take = take
        await this.#untilOver(receiver, address, stop, abandon)
        receiver.take = undefined
      },
    }
  }

  async #untilOver(receiver: Receiver, address: string, stop: AbortSignal, abandon: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const look = (): void => {
      // Another one may have the address now, or nobody; it comes back where that one fails.
      const is_replaced = stop.aborted && this.#receivers.get(address) !== receiver
      if (abandon.aborted || is_replaced || this.#isOver(receiver.pipeline, address, stop.aborted)) resolve()
    }
    this.#waiting.add(look)
    stop.addEventListener('abort', look, { once: true })
    abandon.addEventListener('abort', look, { once: true })
    look()
    await promise
    this.#waiting.delete(look)
    stop.removeEventListener('abort', look)
    abandon.removeEventListener('abort', look)
  }

  /** Before a stop a pipeline that nobody sends to yet goes on waiting. After it, those in a circle do not wait for each other. */
  #isOver(pipeline: string, address: string, stopped: boolean): boolean {
    const senders = [...this.#senders].filter(([, addresses]) => addresses.has(address)).map(([sender]) => sender)
    if (!stopped) return senders.length === 0 && this.#known.has(address)
    const behind = this.#reachableFrom(pipeline)
    return senders.every((sender) => behind.has(sender))
  }

  /** The pipelines that events of this one can come to. */
  #reachableFrom(pipeline: string): ReadonlySet<string> {
    const reached = new Set<string>()
    const next = [pipeline]
    for (let from = next.pop(); from !== undefined; from = next.pop()) {
      for (const address of this.#senders.get(from) ?? []) {
        const to = this.#receivers.get(address)?.pipeline
        if (to === undefined || reached.has(to)) continue
        reached.add(to)
        next.push(to)
      }
    }
    return reached
  }
}
