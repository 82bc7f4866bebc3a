import { type Fields, member, SourceNumber, setMember, stringify } from '../values.ts'

/**
 * JSON.stringify throws on a bigint, and a replacer that prints it costs three times the rest. Most stand at the top
 * level: those are taken out for a moment and written behind the others.
 */
export function stringifyExact(fields: Fields, exact: true | readonly string[]): string {
  if (exact === true) return stringify(fields, true)
  const taken: [name: string, value: bigint | SourceNumber][] = []
  for (const name of exact) {
    const value = member(fields, name)
    if (typeof value === 'bigint' || value instanceof SourceNumber) taken.push([name, value])
  }
  let text: string
  for (const [name] of taken) setMember(fields, name, undefined)
  try {
    text = JSON.stringify(fields).slice(0, -1)
  } finally {
    for (const [name, value] of taken) setMember(fields, name, value)
  }
  for (const [name, value] of taken) text += `${text === '{' ? '' : ','}${JSON.stringify(name)}:${value.toString()}`
  return `${text}}`
}
