import { keepIfSecret } from '../core/secret.ts'

/** Environment variables by name. */
export interface Variables {
  readonly [name: string]: string | undefined
}

//                  name                       default, up to the brace; may be empty
const REFERENCE = /\$\{([a-zA-Z_.][a-zA-Z0-9_.]*)(?::([^}]*))?\}/g

/** Replaces `${NAME}` and `${NAME:default}`; `missing` hears of names that have neither a value nor a default. */
export function substituteVariables(text: string, variables: Variables, missing: (name: string) => void): string {
  if (!text.includes('${')) return text
  return text.replace(REFERENCE, (whole, name: string, preset: string | undefined) => {
    const value = variables[name] ?? preset
    if (value === undefined) missing(name)
    else keepIfSecret(name, value)
    return value ?? whole
  })
}

/**
 * What Logstash makes of a text that a variable was put into: enclosing quotes are taken off, and `[a, 'b', "c"]` is a list.
 */
export function refine(text: string): string | readonly string[] {
  const value = unquote(text)
  if (!value.startsWith('[') || !value.endsWith(']') || value.length < 2) return value
  const inside = value.slice(1, -1).trim()
  return inside === '' ? [] : inside.split(',').map((item) => unquote(item.trim()))
}

function unquote(text: string): string {
  return ["'", '"'].reduce(
    (value, quote) => (value.length > 1 && value.startsWith(quote) && value.endsWith(quote) ? value.slice(1, -1) : value),
    text,
  )
}
