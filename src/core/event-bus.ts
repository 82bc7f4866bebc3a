import type { Settled } from './contracts.ts'
import type { Event, EventState } from './event.ts'

/** Where the pipelines of a program hand events to each other, by address. Each pipeline sees it through its own one. */
export interface EventBus {
  /** For an output, at load: the program knows then who waits for whom, before anything runs. */
  sendTo(addresses: readonly string[]): BusSender
  /**
   * For an input, at load.
   * @throws MillraceError INPUT_CANNOT_START where another input has that address
   */
  receiveAt(address: string): BusReceiver
}

export interface BusSender {
  /** Whether somebody takes events at that address now. */
  isOpen(address: string): boolean
  /**
   * Hands deep copies to an address that is open. Resolves once each of them, and everything made of it there, has its
   * final state: with that state, by position.
   * @throws MillraceError OUTPUT_UNAVAILABLE when the other pipeline leaves before
   */
  send(address: string, events: readonly Event[]): Promise<readonly EventState[]>
}

export interface BusReceiver {
  /**
   * Hands what is sent to `take`. Resolves when nobody can send any more, which after a stop is later than the stop: events that
   * are on their way in another pipeline still have to come through this one. Resolves at once when `abandon` aborts.
   */
  receive(take: (events: Event[]) => Promise<Settled>, stop: AbortSignal, abandon: AbortSignal): Promise<void>
}
