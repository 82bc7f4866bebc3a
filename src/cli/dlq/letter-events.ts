import type { InputContext } from '../../core/contracts.ts'
import { Event } from '../../core/event.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import { setMember } from '../../core/values.ts'
import { DeadLetterOrigin } from '../../storage/letter-origin.ts'
import type { WaitingLetter } from '../../storage/stored-letter.ts'
import { latestReason } from './cause.ts'

const METADATA = parseFieldRef('[@metadata][dead_letter_queue]')

/** In place of the input's id. */
const INPUT = 'dlq'

/** The event that died, with what had happened to it. Of bytes that never were one: their text as `message`. */
export function eventOf(waiting: WaitingLetter): Event {
  const { letter, size_bytes } = waiting
  let { fields } = letter
  if (fields === undefined) {
    fields = {}
    setMember(fields, 'message', letter.raw.toString())
  }
  const event = Event.from(fields, letter.time, { origin: originOf(waiting) })
  event.size_bytes = size_bytes
  return withStory(event, waiting)
}

/**
 * What is sent again of a letter: bytes that never were an event go through the codec of their input, if the config has it.
 * `undefined` where only the beginning of them was kept.
 */
export function eventsOf(waiting: WaitingLetter, inputs: ReadonlyMap<string, InputContext>): Event[] | undefined {
  const { letter, size_bytes } = waiting
  if (letter.failed_at === 'input' && letter.raw.length < letter.size_bytes) return undefined
  const input = inputs.get(letter.plugin_id)
  if (letter.fields !== undefined || input === undefined) return [eventOf(waiting)]
  const decoder = input.createDecoder()
  const decoded = [...decoder.decode(letter.raw), ...decoder.flush()]
  if (decoded.length === 0) return [eventOf(waiting)]
  return decoded.map((one, part) =>
    withStory(input.createEvent(one, originOf(waiting, part), Math.ceil(size_bytes / decoded.length)), waiting),
  )
}

function originOf({ letter, sequence, failure }: WaitingLetter, part = 0): DeadLetterOrigin {
  return new DeadLetterOrigin(INPUT, sequence, { ...letter, replays: failure?.replays ?? letter.replays }, part)
}

function withStory(event: Event, waiting: WaitingLetter): Event {
  const { letter, failure } = waiting
  const { component, plugin_type, reason } = latestReason(waiting)
  const { pipeline, time: entry_time, replays } = letter
  const story = { plugin_type, plugin_id: component, reason, entry_time, pipeline, replays: failure?.replays ?? replays }
  event.set(METADATA, story)
  return event
}
