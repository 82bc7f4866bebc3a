import { type FieldRef, parseFieldRef } from '../../core/field-ref.ts'
import type { Named, UserAgent } from './matcher.ts'

export interface NamedValue {
  readonly ref: FieldRef
  readonly value: string
}

/** Lays out what is known about a user agent's text as fields of an event. */
export type Layout = (agent: UserAgent, text: string) => readonly NamedValue[]

type FactName =
  | 'name'
  | 'device'
  | 'version'
  | 'major'
  | 'minor'
  | 'patch'
  | 'os'
  | 'os_name'
  | 'os_full'
  | 'os_version'
  | 'os_major'
  | 'os_minor'
  | 'os_patch'

const FACTS: readonly FactName[] = [
  'name',
  'device',
  'version',
  'major',
  'minor',
  'patch',
  'os',
  'os_name',
  'os_full',
  'os_version',
  'os_major',
  'os_minor',
  'os_patch',
]

const ECS: { readonly [K in FactName]?: string } = {
  name: '[name]',
  device: '[device][name]',
  version: '[version]',
  os_name: '[os][name]',
  os_full: '[os][full]',
  os_version: '[os][version]',
}

/** The facts that ECS has no field for are kept for the later steps of the config. */
const ECS_METADATA: { readonly [K in FactName]?: string } = {
  major: '[version][major]',
  minor: '[version][minor]',
  patch: '[version][patch]',
  os_major: '[os][version][major]',
  os_minor: '[os][version][minor]',
  os_patch: '[os][version][patch]',
}

/** @throws MillraceError FIELD_REFERENCE_INVALID for a prefix that cannot be part of a name */
export function compileLayout(kind: 'legacy' | 'ecs', target: FieldRef | undefined, prefix: string): Layout {
  const refs = new Map<FactName, FieldRef>()
  for (const fact of FACTS) {
    const ref = kind === 'legacy' ? below(target, `[${prefix}${fact}]`) : ecsRef(target, fact)
    if (ref !== undefined) refs.set(fact, ref)
  }
  return (agent, text) => {
    const laid_out: NamedValue[] = []
    for (const [fact, value] of factsOf(agent, text)) {
      const ref = refs.get(fact)
      if (ref !== undefined && value !== undefined) laid_out.push({ ref, value })
    }
    return laid_out
  }
}

function ecsRef(target: FieldRef | undefined, fact: FactName): FieldRef | undefined {
  const name = ECS[fact]
  if (name !== undefined) return below(target, name)
  const hidden = ECS_METADATA[fact]
  return hidden === undefined ? undefined : parseFieldRef(`[@metadata][filter][user_agent]${hidden}`)
}

function below(target: FieldRef | undefined, names: string): FieldRef {
  if (target === undefined) return parseFieldRef(names)
  return parseFieldRef(`${target.text.startsWith('[') ? target.text : `[${target.text}]`}${names}`)
}

function factsOf({ browser, system, device }: UserAgent, text: string): readonly [FactName, string | undefined][] {
  const os_version = systemVersion(system)
  return [
    ['name', browser.name],
    ['device', device],
    ['major', browser.version[0]],
    ['minor', browser.version[1]],
    ['patch', browser.version[2]],
    ['version', browserVersion(browser, text)],
    ['os_major', system.version[0]],
    ['os_minor', system.version[1]],
    ['os_patch', system.version[2]],
    ['os_version', os_version],
    ['os_name', system.name],
    ['os', system.name],
    ['os_full', os_version === undefined ? system.name : `${system.name} ${os_version}`],
  ]
}

/** With the fourth part, where the text has it: `120.0.0.0`. */
function browserVersion({ version }: Named, text: string): string | undefined {
  const known = leading(version)
  if (known.length !== 3) return known.length === 0 ? undefined : known.join('.')
  const three = known.join('.')
  const at = text.indexOf(three)
  const fourth = at < 0 ? undefined : /^\.(0|[1-9]\d*) /.exec(text.slice(at + three.length))?.[1]
  return fourth === undefined ? three : `${three}.${fourth}`
}

/** `10.15.7`, and with a blank behind a name (`XP`, `Vista`). */
function systemVersion({ version }: Named): string | undefined {
  const [major, ...rest] = leading(version)
  if (major === undefined || rest.length === 0) return major
  return `${major}${/^(?:0|[1-9]\d*)$/.test(major) ? '.' : ' '}${rest.join('.')}`
}

/** The parts up to the first that is not known. */
function leading(version: readonly (string | undefined)[]): string[] {
  const end = version.indexOf(undefined)
  return version.slice(0, end < 0 ? version.length : end).filter((part) => part !== undefined)
}
