import type { TextWriter } from './json/text-writer.ts'
import type { Fields } from './values.ts'

/** A map whose JSON text is known. The map itself is made when somebody reads it. */
export interface PrintedFields {
  /** A new map each time, for it may be changed. */
  read(): Fields
  /** Writes its JSON text. */
  print(writer: TextWriter): void
}
