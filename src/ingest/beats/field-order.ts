import { type Fields, setMember } from '../../core/values.ts'

/**
 * The fields of a Beat's event in one order, whatever order they came in: Filebeat sends them in the random order of Go's maps.
 * V8 makes a hidden class for each order that it meets, and for each field that is added to one of them later: without this
 * there are a hundred thousand of them, and an event costs up to half as much again (measured). Putting the text in order before
 * it is parsed, so that the parser makes none of them either, costs as much as it saves (measured).
 */
export function inOneOrder(fields: Fields): Fields {
  // A literal has all its names from the start: those without a value are not there for an event.
  const ordered: Fields = {
    '@timestamp': undefined,
    '@metadata': undefined,
    message: undefined,
    fields: undefined,
    log: undefined,
    input: undefined,
    ecs: undefined,
    host: undefined,
    agent: undefined,
    tags: undefined,
    '@version': undefined,
  }
  let others: string[] | undefined
  for (const name of Object.keys(fields)) {
    if (Object.hasOwn(ordered, name)) ordered[name] = fields[name]
    else if (others === undefined) others = [name]
    else others.push(name)
  }
  for (const name of others?.sort() ?? []) setMember(ordered, name, fields[name])
  return ordered
}
