import { type Fields, SourceNumber, stringify, Timestamp, type Value } from '../values.ts'

/**
 * The text of an object: what stands in `beginning`, from its opening brace up to its last member, and the fields behind it.
 * @param printed JSON texts of fields that are known already
 * @param exact whether a bigint may be inside of a field
 */
export function printMembers(
  beginning: string,
  fields: Fields,
  printed: ReadonlyMap<string, string> | undefined,
  exact: boolean,
): string {
  let text = beginning
  let separator = text === '{' ? '' : ','
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value === undefined) continue
    text += separator + printedName(name) + (printed?.get(name) ?? printedValue(value, exact))
    separator = ','
  }
  return `${text}}`
}

function printedValue(value: Value, exact: boolean): string {
  // The @version of nearly every event: JSON.stringify costs a hundred times as much.
  if (value === '1') return '"1"'
  if (value instanceof Timestamp) return `"${value.toString()}"`
  if (value instanceof SourceNumber) return value.text
  return typeof value === 'bigint' ? value.toString() : stringify(value, exact)
}

const printedNames = new Map<string, string>()
/** Names come from event data too. */
const PRINTED_NAMES_MAX = 1_000

/** `"name":` */
function printedName(name: string): string {
  let text = printedNames.get(name)
  if (text === undefined) {
    if (printedNames.size >= PRINTED_NAMES_MAX) printedNames.clear()
    text = `${JSON.stringify(name)}:`
    printedNames.set(name, text)
  }
  return text
}
