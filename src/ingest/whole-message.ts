import { MESSAGE_EVENTS_MAX } from '../codecs/message-events.ts'
import type { Decoded, Decoder } from '../core/contracts.ts'

/** Why a message became one event with its text. */
export const TOO_MANY_EVENTS = `more than ${MESSAGE_EVENTS_MAX.toLocaleString('en-US')} events in one message`
const TAG = '_toomanyevents'

/** Decoded at once: what is too much is seen before it is all there. */
const PIECE_BYTES = 64 * 1024
const NEWLINE = 10

/**
 * Decodes a message that is a whole: what a codec for streams would keep for its next piece belongs to it. One of more than
 * 100,000 events becomes one event with its text, for they would have to be in memory all at once.
 */
export function decodeWhole(decoder: Decoder, message: Buffer | string): readonly Decoded[] {
  const isLong = message.length > PIECE_BYTES
  if (isLong && decoder.splits_stream === true)
    return decodeInPieces(decoder, typeof message === 'string' ? Buffer.from(message) : message)
  // What joins lines makes at most one event of each.
  if (isLong && decoder.holds !== undefined && hasManyLines(message)) return tooMany(message)
  const decoded = decoder.decode(message)
  const rest = decoder.flush()
  return rest.length === 0 ? decoded : [...decoded, ...rest]
}

function decodeInPieces(decoder: Decoder, message: Buffer): readonly Decoded[] {
  const all: Decoded[] = []
  for (let at = 0; at < message.length; at += PIECE_BYTES) {
    for (const one of decoder.decode(message.subarray(at, at + PIECE_BYTES))) all.push(one)
    if (all.length <= MESSAGE_EVENTS_MAX) continue
    decoder.flush()
    return tooMany(message)
  }
  for (const one of decoder.flush()) all.push(one)
  return all
}

function hasManyLines(message: Buffer | string): boolean {
  let lines = 0
  for (let at = indexOfNewline(message, 0); at >= 0; at = indexOfNewline(message, at + 1)) {
    if (++lines > MESSAGE_EVENTS_MAX) return true
  }
  return false
}

function indexOfNewline(message: Buffer | string, from: number): number {
  return typeof message === 'string' ? message.indexOf('\n', from) : message.indexOf(NEWLINE, from)
}

function tooMany(message: Buffer | string): readonly Decoded[] {
  return [{ fields: { message: message.toString(), tags: [TAG] }, exact: false, failure: TOO_MANY_EVENTS }]
}
