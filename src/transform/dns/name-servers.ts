import { readFile } from 'node:fs/promises'
import * as option from '../../core/options/options.ts'
import type { ConfigValue } from '../../core/plan.ts'

/** Whom to ask, and what to try behind a name that is not complete. */
export interface NameServers {
  /** `undefined`: those of the machine. */
  readonly addresses: readonly string[] | undefined
  /** Domains to look for a name in. */
  readonly search: readonly string[]
  /** A name with so many dots is tried as it is first. */
  readonly ndots: number
}

const SEARCH_MAX = 6
const NAMES: readonly string[] = ['address', 'search', 'ndots']
const ADDRESSES = option.list('')
const SEARCH = option.list('')
const NDOTS = option.integer('', { default: 1, min: 1 })

/** One address, several, or a hash of `address`, `search` and `ndots`. */
export function nameServers(summary: string): option.Option<NameServers | undefined> {
  return {
    summary,
    type: 'address, list of addresses, or hash of `address`, `search` and `ndots`',
    required: false,
    default_value: undefined,
    schema: { description: summary, type: ['string', 'array', 'object'] },
    read: (value, report) => (value === undefined ? undefined : readNameServers(value, report)),
  }
}

function readNameServers(value: ConfigValue, report: option.Report): NameServers | undefined {
  const entries = value.kind === 'hash' ? value.entries : [{ name: 'address', at: value.at, value }]
  const given = (name: string): ConfigValue | undefined => entries.find((entry) => entry.name === name)?.value
  const refuse = (at: ConfigValue['at'], message: string): undefined =>
    report({ code: 'CONFIG_INVALID_OPTION', at, message }) as undefined
  const unknown = entries.find(({ name }) => !NAMES.includes(name))
  if (unknown !== undefined) return refuse(unknown.at, `expected address, search and ndots, got ${unknown.name}`)
  const addresses = ADDRESSES.read(given('address'), report)
  const search = SEARCH.read(given('search'), report) ?? []
  const ndots = NDOTS.read(given('ndots'), report)
  if (ndots === undefined) return undefined
  if (addresses === undefined || addresses.length === 0) return refuse(value.at, 'expected at least one address of a name server')
  if (search.length > SEARCH_MAX) return refuse(value.at, `expected at most ${SEARCH_MAX} search domains, got ${search.length}`)
  return { addresses, search, ndots }
}

/** What this machine's resolv.conf says about incomplete names. */
export async function machineNameServers(): Promise<NameServers> {
  const text = await readFile('/etc/resolv.conf', 'utf8').catch(() => '')
  const search = /^(?:search|domain)\s+(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/) ?? []
  return { addresses: undefined, search: search.slice(0, SEARCH_MAX), ndots: Number(/\bndots:(\d+)/.exec(text)?.[1] ?? 1) }
}

/** The complete names to ask for, in this order. */
export function candidates(name: string, { search, ndots }: NameServers): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)]
  const searched = search.map((domain) => `${name}.${domain}`)
  return name.split('.').length - 1 >= ndots ? [name, ...searched] : [...searched, name]
}
