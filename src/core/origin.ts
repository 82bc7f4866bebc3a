// Where an event comes from, and how it ends.

/** Where an event came from: enough for a person to find the line again, and for a stable document id. */
export interface Origin {
  /** The id of the input that received it. */
  readonly input: string
  /** For people: `exchange-logs/3@1205`, `10.0.0.7:51312 /var/log/a.log@311`. */
  describe(): string
  /** The same for the same line at every delivery and never for another one (promise 3); `undefined` where the input cannot tell. */
  stableId(): string | undefined
  /** How often it was read back from the dead letters. */
  readonly replays?: number
}

/** How an event ended, from the worst to the best. One of these, once, for every event (promise 1). */
export const EVENT_STATES = ['dead_lettered', 'dropped', 'unrouted', 'stored', 'already_there', 'consumed'] as const
export type EventState = (typeof EVENT_STATES)[number]

/** How an event ended for who made it: `buffered` is an event that is safe on our disk and has its end later. */
export type Settlement = EventState | 'buffered'

/** Whether an output that an event ended so at has it, or will get it from our disk or another pipeline. */
export function isDelivered(state: Settlement): boolean {
  return state !== 'dead_lettered' && state !== 'dropped' && state !== 'unrouted'
}
