import type { TextWriter } from '../core/json/text-writer.ts'
import type { EcsCompatibility } from '../core/plan.ts'
import type { PrintedFields } from '../core/printed-fields.ts'
import { type Fields, isFields, member, setMember, type Value } from '../core/values.ts'
import { type Address, formatNetwork } from './address.ts'
import type { Facts, GeoipField } from './facts.ts'

/** What kind of facts a database has: decides which fields an event gets when none are asked for. */
type DatabaseKind = 'city' | 'country' | 'domain' | 'asn' | 'isp' | 'enterprise' | 'anonymous'

/**
 * The kind by the type that a file names: `GeoLite2-City`, `DBIP-Country-Lite`, `city ipv4`. In the order in which
 * Logstash looks for them. `undefined`: none of these, so everything that is known is taken.
 */
function kindOf(database_type: string): DatabaseKind | undefined {
  const type = database_type.toLowerCase()
  const kinds = ['city', 'country', 'domain', 'asn', 'isp', 'enterprise', 'anonymous'] as const
  return kinds.find((kind) => type.includes(kind))
}

/** Whether a database of that type tells who hides, so that a fact that is left out is `false`. */
export function knowsAnonymity(database_type: string): boolean {
  const kind = kindOf(database_type)
  return kind === 'anonymous' || kind === 'enterprise'
}

const NETWORK_FIELDS = ['ip', 'autonomous_system_number', 'autonomous_system_organization'] as const
const COUNTRY_FIELDS = ['ip', 'country_code2', 'country_name', 'continent_name'] as const
const DEFAULT_FIELDS: { readonly [K in Exclude<DatabaseKind, 'city'>]: readonly GeoipField[] } = {
  country: COUNTRY_FIELDS,
  domain: ['domain'],
  asn: NETWORK_FIELDS,
  isp: [...NETWORK_FIELDS, 'isp', 'organization'],
  enterprise: [...COUNTRY_FIELDS, 'region_iso_code', 'region_name', 'city_name', 'location'],
  anonymous: ['hosting_provider', 'tor_exit_node', 'anonymous_vpn', 'anonymous', 'public_proxy', 'residential_proxy'],
}

function cityFields(layout: GeoipLayout): readonly GeoipField[] {
  return [
    ...(['ip', 'city_name', 'continent_code', 'country_name', 'country_code2', 'country_code3', 'postal_code'] as const),
    ...(['dma_code', 'region_name', layout === 'legacy' ? 'region_code' : 'region_iso_code', 'timezone'] as const),
    ...(['location', 'latitude', 'longitude'] as const),
  ]
}

/** The fields that Logstash fills from a database of that type; `undefined`: all that there are. */
export function defaultFields(database_type: string, layout: GeoipLayout): readonly GeoipField[] | undefined {
  const kind = kindOf(database_type)
  if (kind === undefined) return undefined
  return kind === 'city' ? cityFields(layout) : DEFAULT_FIELDS[kind]
}

/** Flat names of the time before ECS, or ECS' nested ones (the same in v1 and v8). */
export type GeoipLayout = 'legacy' | 'ecs'

export function layoutFor(ecs_compatibility: EcsCompatibility): GeoipLayout {
  return ecs_compatibility === 'disabled' ? 'legacy' : 'ecs'
}

/** Where a fact goes below the target. ECS has no place for `country_code3`. */
function pathOf(field: GeoipField, layout: GeoipLayout): readonly string[] {
  if (layout === 'legacy') return [LEGACY_NAMES[field] ?? field]
  return ECS_PATHS[field]
}

const LEGACY_NAMES: { readonly [F in GeoipField]?: string } = {
  autonomous_system_number: 'asn',
  autonomous_system_organization: 'as_org',
}

const ECS_PATHS: { readonly [F in GeoipField]: readonly string[] } = {
  autonomous_system_number: ['as', 'number'],
  autonomous_system_organization: ['as', 'organization', 'name'],
  city_name: ['geo', 'city_name'],
  country_name: ['geo', 'country_name'],
  continent_code: ['geo', 'continent_code'],
  continent_name: ['geo', 'continent_name'],
  country_code2: ['geo', 'country_iso_code'],
  country_code3: [],
  domain: ['domain'],
  ip: ['ip'],
  isp: ['mmdb', 'isp'],
  postal_code: ['geo', 'postal_code'],
  dma_code: ['mmdb', 'dma_code'],
  region_name: ['geo', 'region_name'],
  region_code: ['geo', 'region_code'],
  region_iso_code: ['geo', 'region_iso_code'],
  timezone: ['geo', 'timezone'],
  location: ['geo', 'location'],
  latitude: ['geo', 'location', 'lat'],
  longitude: ['geo', 'location', 'lon'],
  organization: ['mmdb', 'organization'],
  network: ['ip_traits', 'network'],
  hosting_provider: ['ip_traits', 'hosting_provider'],
  tor_exit_node: ['ip_traits', 'tor_exit_node'],
  anonymous_vpn: ['ip_traits', 'anonymous_vpn'],
  anonymous: ['ip_traits', 'anonymous'],
  public_proxy: ['ip_traits', 'public_proxy'],
  residential_proxy: ['ip_traits', 'residential_proxy'],
}

/**
 * What one record of a database becomes in an event: laid out once, stamped for every event that hits it.
 *
 * Every event gets maps of its own, for a later filter may change them.
 */
export class Stamp {
  #printed: readonly [before: Buffer, after: Buffer] | undefined
  readonly #root: Sheet
  readonly #has_ip: boolean
  readonly #network_path: readonly string[] | undefined

  private constructor(root: Sheet, has_ip: boolean, network_path: readonly string[] | undefined) {
    this.#root = root
    this.#has_ip = has_ip
    this.#network_path = network_path
  }

  /** The stamp for a record, or `undefined` where it holds nothing of what is wanted. */
  static from(facts: Facts, wanted: readonly GeoipField[], layout: GeoipLayout): Stamp | undefined {
    if (Object.keys(facts).length === 0) return undefined
    const fields: Fields = {}
    let found = false
    // What is not known is put too, as `undefined`: fields of one shape are copied three times as fast.
    for (const field of wanted) {
      const value = valueOf(field, facts)
      if (value !== undefined) found = true
      put(fields, pathOf(field, layout), value)
    }
    if (!found) return undefined
    const network_path = wanted.includes('network') ? pathOf('network', layout) : undefined
    return new Stamp(sheetOf(fields), wanted.includes('ip'), network_path)
  }

  /** What an event gets whose address is this one. `networkLength` is asked for only where the network is wanted. */
  at(address: Address, networkLength: () => number): PrintedFields {
    const network = this.#network_path === undefined ? undefined : formatNetwork(address.words, networkLength())
    return new StampedFields(this, address.text, network)
  }

  fieldsFor(address: string, network: string | undefined): Fields {
    const fields = copySheet(this.#root)
    if (this.#has_ip) setMember(fields, 'ip', address)
    if (this.#network_path !== undefined) put(fields, this.#network_path, network)
    return fields
  }

  /** Writes the JSON text of `fieldsFor`: printing it takes a microsecond, putting the address into it a tenth. */
  print(writer: TextWriter, address: string, network: string | undefined): void {
    if (this.#network_path !== undefined || !this.#has_ip) return writer.text(JSON.stringify(this.fieldsFor(address, network)))
    this.#printed ??= splitAtAddress(JSON.stringify(this.#root.fields))
    writer.ready(this.#printed[0])
    writer.ascii(address)
    writer.ready(this.#printed[1])
  }
}

/** A stamp with the address of one event, or of many with the same one. */
class StampedFields implements PrintedFields {
  readonly #stamp: Stamp
  readonly #address: string
  readonly #network: string | undefined

  constructor(stamp: Stamp, address: string, network: string | undefined) {
    this.#stamp = stamp
    this.#address = address
    this.#network = network
  }

  read(): Fields {
    return this.#stamp.fieldsFor(this.#address, this.#network)
  }

  print(writer: TextWriter): void {
    this.#stamp.print(writer, this.#address, this.#network)
  }
}

/** Bytes in front of the address and behind it. */
function splitAtAddress(text: string): readonly [before: Buffer, after: Buffer] {
  const at = text.indexOf(PRINTED_PLACEHOLDER) + PRINTED_PLACEHOLDER.length - 1
  return [Buffer.from(text.slice(0, at)), Buffer.from(text.slice(at))]
}

const PRINTED_PLACEHOLDER = '"ip":""'

/** The value that goes in front of the addresses' own ones, so that every event has its fields in one order. */
const PLACEHOLDER = ''

function valueOf(field: GeoipField, facts: Facts): Value | undefined {
  if (field === 'ip' || field === 'network') return PLACEHOLDER
  if (field !== 'location') return facts[field]
  const { latitude, longitude } = facts
  return latitude === undefined || longitude === undefined ? undefined : { lat: latitude, lon: longitude }
}

function put(fields: Fields, path: readonly string[], value: Value | undefined): void {
  const [name, ...rest] = path
  if (name === undefined) return
  if (rest.length === 0) return setMember(fields, name, value)
  const present = member(fields, name)
  const inner = isFields(present) ? present : {}
  put(inner, rest, value)
  setMember(fields, name, inner)
}

/** Fields together with the list of those that are maps, so that a copy need not look for them. */
interface Sheet {
  readonly fields: Fields
  readonly inner: readonly { readonly name: string; readonly sheet: Sheet }[]
}

function sheetOf(fields: Fields): Sheet {
  const inner: { readonly name: string; readonly sheet: Sheet }[] = []
  for (const name of Object.keys(fields)) {
    const value = member(fields, name)
    if (!isFields(value)) continue
    if (isEmpty(value)) setMember(fields, name, undefined)
    else inner.push({ name, sheet: sheetOf(value) })
  }
  return { fields, inner }
}

function isEmpty(value: Value | undefined): boolean {
  return isFields(value) ? Object.values(value).every(isEmpty) : value === undefined
}

function copySheet(sheet: Sheet): Fields {
  const copy = { ...sheet.fields }
  for (const { name, sheet: inner } of sheet.inner) setMember(copy, name, copySheet(inner))
  return copy
}

/**
 * The fields of a target that was there already, with the found ones over them. A whole location takes the place of
 * another one. `undefined` where a map would have to go where something else is.
 */
export function mergeFields(present: Fields, found: Fields): Fields | undefined {
  const merged = { ...present }
  for (const name of Object.keys(found)) {
    const added = member(found, name)
    if (added === undefined) continue
    const old = member(present, name)
    if (!isFields(added) || isWholeLocation(added) || old === undefined || old === null) {
      setMember(merged, name, added)
      continue
    }
    const inner = isFields(old) ? mergeFields(old, added) : undefined
    if (inner === undefined) return undefined
    setMember(merged, name, inner)
  }
  return merged
}

function isWholeLocation(fields: Fields): boolean {
  return member(fields, 'lat') !== undefined && member(fields, 'lon') !== undefined
}
