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
    return value ?? whole
  })
}
