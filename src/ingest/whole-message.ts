import type { Decoded, Decoder } from '../core/contracts.ts'

/** Decodes a message that is a whole: what a codec for streams would keep for its next piece belongs to it. */
export function decodeWhole(decoder: Decoder, message: Buffer | string): readonly Decoded[] {
  const decoded = decoder.decode(message)
  const rest = decoder.flush()
  return rest.length === 0 ? decoded : [...decoded, ...rest]
}
