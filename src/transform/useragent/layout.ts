import { type FieldRef, parseFieldRef } from '../../core/field-ref.ts'
import { type Fields, isFields, member, setMember } from '../../core/values.ts'
import type { Named, UserAgent } from './matcher.ts'

interface NamedValue {
  readonly ref: FieldRef
  readonly value: string
}

/** Facts that have their place below one field. */
export interface FactGroup {
  /** `undefined`: the event itself. */
  readonly below: FieldRef | undefined
  readonly facts: readonly NamedValue[]
  /** The same as the value of that field, where there is none yet. */
  readonly fields: Fields
}

/** Lays out what is known about a user agent's text as fields of an event. */
export type Layout = (agent: UserAgent, text: string) => readonly FactGroup[]

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

const ECS: Places = {
  name: '[name]',
  device: '[device][name]',
  version: '[version]',
  os_name: '[os][name]',
  os_full: '[os][full]',
  os_version: '[os][version]',
}

/** The facts that ECS has no field for are kept for the later steps of the config. */
const ECS_METADATA: Places = {
  major: '[version][major]',
  minor: '[version][minor]',
  patch: '[version][patch]',
  os_major: '[os][version][major]',
  os_minor: '[os][version][minor]',
  os_patch: '[os][version][patch]',
}

const METADATA = parseFieldRef('[@metadata][filter][user_agent]')

/** @throws MillraceError FIELD_REFERENCE_INVALID for a prefix that cannot be part of a name */
export function compileLayout(kind: 'legacy' | 'ecs', target: FieldRef | undefined, prefix: string): Layout {
  const groups =
    kind === 'legacy'
      ? [compileGroup(target, Object.fromEntries(FACTS.map((fact) => [fact, `[${prefix}${fact}]`])))]
      : [compileGroup(target, ECS), compileGroup(METADATA, ECS_METADATA)]
  return (agent, text) => {
    const facts = factsOf(agent, text)
    return groups.map((group) => group(facts)).filter((group) => group.facts.length > 0)
  }
}

type Places = { readonly [K in FactName]?: string }

function compileGroup(below: FieldRef | undefined, places: Places): (facts: readonly Fact[]) => FactGroup {
  const at = below === undefined ? '' : below.text.startsWith('[') ? below.text : `[${below.text}]`
  const refs = new Map<FactName, { readonly ref: FieldRef; readonly path: readonly string[] }>()
  for (const fact of FACTS) {
    const place = places[fact]
    if (place !== undefined) refs.set(fact, { ref: parseFieldRef(at + place), path: parseFieldRef(place).path })
  }
  return (facts) => {
    const named: NamedValue[] = []
    const fields: Fields = {}
    for (const [name, value] of facts) {
      const place = refs.get(name)
      if (place === undefined || value === undefined) continue
      named.push({ ref: place.ref, value })
      setInside(fields, place.path, value)
    }
    return { below, facts: named, fields }
  }
}

function setInside(fields: Fields, [name = '', ...rest]: readonly string[], value: string): void {
  if (rest.length === 0) return setMember(fields, name, value)
  const inner = member(fields, name)
  const map: Fields = isFields(inner) ? inner : {}
  setMember(fields, name, map)
  setInside(map, rest, value)
}

type Fact = readonly [FactName, string | undefined]

function factsOf({ browser, system, device }: UserAgent, text: string): readonly Fact[] {
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
