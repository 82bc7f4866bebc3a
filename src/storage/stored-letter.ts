import { parseJson } from '../core/json/json.ts'
import { type Fields, isFields, member, parseTimestamp, setMember, type Timestamp } from '../core/values.ts'
import { type ReplayFailure, ReplayMarks } from './replay-marks.ts'
import { type ReportDamage, readSegments } from './segment-reader.ts'

/** A dead letter that waits in its folder for somebody to do something about it. */
export interface WaitingLetter {
  readonly sequence: bigint
  readonly size_bytes: number
  /** As it was kept. */
  readonly letter: StoredDeadLetter
  /** Of the last time that it was sent again, where that failed. */
  readonly failure: ReplayFailure | undefined
  /** One line of JSON; the failure is its last member, `last_replay`. */
  line(): string
}

/**
 * All dead letters of a folder that were not sent again with success, oldest first; the program may be writing meanwhile.
 * What is read is let go: memory is one letter, and the marks.
 */
export async function* readWaitingLetters(folder: string, report: ReportDamage): AsyncGenerator<WaitingLetter, void, void> {
  const marks = await ReplayMarks.read(folder, report)
  for await (const { sequence, payload } of readSegments(folder, report)) {
    if (marks.isDone(sequence)) continue
    const letter = parseDeadLetter(payload)
    if (letter === undefined) {
      report(folder, payload.length, `record ${sequence} is no dead letter`)
      continue
    }
    const failure = marks.failureOf(sequence)
    const line = (): string => {
      const text = payload.toString()
      return failure === undefined ? text : `${text.slice(0, -1)},"last_replay":${JSON.stringify(failure)}}`
    }
    yield { sequence, size_bytes: payload.length, letter, failure, line }
  }
}

/** A dead letter as it is read back. */
export interface StoredDeadLetter {
  readonly time: Timestamp
  readonly pipeline: string
  readonly plugin_type: string
  /** The id of the component that gave up on it. */
  readonly plugin_id: string
  /** Where its way ended: before it was an event, before it had passed all filters, or at an output. */
  readonly failed_at: 'input' | 'filter' | 'output'
  readonly reason: string
  readonly origin: string | undefined
  readonly id: string | undefined
  readonly replays: number
  /** The event's, metadata among them; `undefined` for what never became an event. */
  readonly fields: Fields | undefined
  /** Of something that never became an event, its beginning. */
  readonly raw: Buffer
  /** Its real size. */
  readonly size_bytes: number
}

/** The letter in a record, or `undefined` where it holds something else. */
export function parseDeadLetter(payload: Buffer): StoredDeadLetter | undefined {
  let letter: Fields
  try {
    const { value } = parseJson(payload.toString())
    if (!isFields(value)) return undefined
    letter = value
  } catch {
    return undefined
  }
  const text = (name: string): string | undefined => {
    const value = member(letter, name)
    return typeof value === 'string' ? value : undefined
  }
  const time = parseTimestamp(text('time') ?? '')
  if (time === undefined) return undefined
  const replays = member(letter, 'replays')
  const fields = member(letter, 'document')
  const metadata = member(letter, 'metadata')
  if (isFields(fields) && isFields(metadata)) setMember(fields, '@metadata', metadata)
  const component = text('component') ?? ''
  // The place in the config stands behind the id of an output.
  const plugin_id = component.replace(/ \(.*\)$/, '')
  const is_from_output = plugin_id !== component || plugin_id === 'outputs' || text('plugin_type') !== undefined
  const size_bytes = member(letter, 'size_bytes')
  return {
    time,
    pipeline: text('pipeline') ?? '',
    // An id that was not chosen tells the name: `filter_mutate_2`.
    plugin_type: text('plugin_type') ?? /^(?:input|filter|output)_(.+)_\d+$/.exec(plugin_id)?.[1] ?? plugin_id,
    plugin_id,
    failed_at: !isFields(fields) ? 'input' : is_from_output ? 'output' : 'filter',
    reason: text('reason') ?? '',
    origin: text('origin'),
    id: text('id'),
    replays: typeof replays === 'number' ? replays : 0,
    fields: isFields(fields) ? fields : undefined,
    raw: Buffer.from(text('raw_base64') ?? '', 'base64'),
    size_bytes: typeof size_bytes === 'number' ? size_bytes : payload.length,
  }
}
