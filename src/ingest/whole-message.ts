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
  // Whole messages are one event, or a list that its codec looks at first.
  const has_lines = decoder.splits_stream === true || decoder.holds !== undefined
  if (has_lines && message.length > PIECE_BYTES) return decodeInPieces(decoder, message)
  const decoded = decoder.decode(message)
  const rest = decoder.flush()
  return rest.length === 0 ? decoded : [...decoded, ...rest]
}

function decodeInPieces(decoder: Decoder, message: Buffer | string): readonly Decoded[] {
  const bytes = typeof message === 'string' ? Buffer.from(message) : message
  const all: Decoded[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = endOfPiece(bytes, at)
    for (const one of decoder.decode(bytes.subarray(at, end))) all.push(one)
    at = end
    if (all.length <= MESSAGE_EVENTS_MAX) continue
    decoder.flush()
    return tooMany(message)
  }
  for (const one of decoder.flush()) all.push(one)
  return all
}

/** Behind a line, for codecs that take whole ones; but not where the line feed is half of a character of two bytes. */
function endOfPiece(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(NEWLINE, start + PIECE_BYTES); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) {
    if (bytes[at - 1] !== 0 && bytes[at + 1] !== 0) return at + 1
  }
  return bytes.length
}

function tooMany(message: Buffer | string): readonly Decoded[] {
  return [{ fields: { message: message.toString(), tags: [TAG] }, exact: false, failure: TOO_MANY_EVENTS }]
}
