import { readFileSync } from 'node:fs'
import { MillraceError, messageOf } from '../../core/errors.ts'
import { yaml } from '../../core/yaml.ts'

/** The regular expression, then what replaces its groups, as far as given: the name, then the parts of the version. */
export type Rule = readonly [regex: string, flags: string, ...replacements: (string | null)[]]

/** What uap-core knows: of each list the first rule that matches counts. */
export interface RuleSet {
  readonly user_agents: readonly Rule[]
  readonly systems: readonly Rule[]
  readonly devices: readonly Rule[]
}

/** Our copy of uap-core, made by scripts/make-useragent-rules.ts. */
export function builtInRules(): RuleSet {
  return JSON.parse(readFileSync(new URL('regexes.json', import.meta.url), 'utf8')) as RuleSet
}

const REPLACEMENTS = {
  user_agent_parsers: ['family_replacement', 'v1_replacement', 'v2_replacement', 'v3_replacement', 'v4_replacement'],
  os_parsers: ['os_replacement', 'os_v1_replacement', 'os_v2_replacement', 'os_v3_replacement', 'os_v4_replacement'],
  device_parsers: ['device_replacement'],
}

/**
 * Reads the text of a regexes.yaml in uap-core's form.
 * @throws MillraceError OPTION_INVALID where it is something else, or one of its regular expressions cannot be compiled
 */
export function readRules(path: string, text: string): RuleSet {
  const document = parseYaml(path, text)
  const listOf = (name: keyof typeof REPLACEMENTS): Rule[] => {
    const list = document[name] ?? []
    if (!Array.isArray(list)) throw invalid(path, `expected a list of rules in ${name}`)
    return list.map((entry: unknown, index) =>
      readRule(entry, REPLACEMENTS[name], (why) => invalid(path, `${name}[${index}]: ${why}`)),
    )
  }
  const rules = { user_agents: listOf('user_agent_parsers'), systems: listOf('os_parsers'), devices: listOf('device_parsers') }
  if (rules.user_agents.length === 0) throw invalid(path, 'expected a list of rules in user_agent_parsers')
  return rules
}

function parseYaml(path: string, text: string): { readonly [name: string]: unknown } {
  let document: unknown
  try {
    document = yaml().parse(text)
  } catch (thrown) {
    throw invalid(path, messageOf(thrown))
  }
  if (typeof document === 'object' && document !== null) return document as { readonly [name: string]: unknown }
  throw invalid(path, 'expected lists of rules')
}

function readRule(entry: unknown, names: readonly string[], fault: (why: string) => MillraceError): Rule {
  const given = (typeof entry === 'object' && entry !== null ? entry : {}) as { readonly [name: string]: unknown }
  const regex = given['regex']
  if (typeof regex !== 'string') throw fault('expected a text in regex')
  const flags = given['regex_flag'] === 'i' ? 'i' : ''
  try {
    RegExp(regex, flags)
  } catch (thrown) {
    throw fault(messageOf(thrown))
  }
  const replacements = names.map((name) => replacementText(given[name]))
  while (replacements.at(-1) === null) replacements.pop()
  return [regex, flags, ...replacements]
}

function replacementText(value: unknown): string | null {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : null
}

function invalid(path: string, why: string): MillraceError {
  return new MillraceError('OPTION_INVALID', `${path} is no regexes.yaml of uap-core: ${why}`)
}
