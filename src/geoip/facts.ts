import { SourceNumber, type Value } from '../core/values.ts'

/** Everything that can be known about an address, by the names that the option `fields` takes. */
export const GEOIP_FIELDS = [
  'autonomous_system_number',
  'autonomous_system_organization',
  'city_name',
  'country_name',
  'continent_code',
  'continent_name',
  'country_code2',
  'country_code3',
  'domain',
  'ip',
  'isp',
  'postal_code',
  'dma_code',
  'region_name',
  'region_code',
  'region_iso_code',
  'timezone',
  'location',
  'latitude',
  'longitude',
  'organization',
  'network',
  'hosting_provider',
  'tor_exit_node',
  'anonymous_vpn',
  'anonymous',
  'public_proxy',
  'residential_proxy',
] as const
export type GeoipField = (typeof GEOIP_FIELDS)[number]

/** What a record says, whatever its layout. `ip` and `network` belong to the address, `location` is made of two facts. */
export type Facts = { readonly [F in Exclude<GeoipField, 'ip' | 'network' | 'location'>]?: Value }

/**
 * Reads a record of any of the layouts in use:
 *
 * ```
 * MaxMind, DB-IP        { country: { iso_code: 'GB', names: { en: 'United Kingdom' } }, city: { names: { en } }, subdivisions: [ … ],
 *                         location: { latitude, longitude, time_zone, metro_code }, postal: { code }, continent: { code, names } }
 * ip-location-db        { country_code: 'GB', state1, city, postcode, latitude, longitude, timezone }, unknown ones are ''
 * ASN, ISP (both)       { autonomous_system_number, autonomous_system_organization, isp, organization }
 * Enterprise            as MaxMind's, with the network's owner and the anonymity below `traits`
 * Anonymous IP          { is_anonymous, is_anonymous_vpn, … }, what is false is left out
 * ```
 *
 * `anonymity`: the database knows of anonymous addresses, so that what is left out is `false`.
 */
export function readFacts(record: unknown, anonymity: boolean): Facts {
  const country_code = textAt(record, 'country', 'iso_code') ?? countryCode(textAt(record, 'country_code'))
  const region = lastOf(at(record, 'subdivisions'))
  const region_code = textAt(region, 'iso_code')
  const latitude = doubleAt(record, 'location', 'latitude') ?? doubleAt(record, 'latitude')
  const longitude = doubleAt(record, 'location', 'longitude') ?? doubleAt(record, 'longitude')
  return present({
    autonomous_system_number: eitherPlace(integerAt, record, 'autonomous_system_number'),
    autonomous_system_organization: eitherPlace(textAt, record, 'autonomous_system_organization'),
    city_name: textAt(record, 'city', 'names', 'en') ?? textAt(record, 'city'),
    country_name: textAt(record, 'country', 'names', 'en') ?? countryName(textAt(record, 'country_code')),
    continent_code: textAt(record, 'continent', 'code'),
    continent_name: textAt(record, 'continent', 'names', 'en'),
    country_code2: country_code,
    // Logstash puts the two-letter code here too: MaxMind's files have no other one.
    country_code3: country_code,
    domain: eitherPlace(textAt, record, 'domain'),
    isp: eitherPlace(textAt, record, 'isp'),
    postal_code: textAt(record, 'postal', 'code') ?? textAt(record, 'postcode'),
    dma_code: integerAt(record, 'location', 'metro_code'),
    region_name: textAt(region, 'names', 'en') ?? textAt(record, 'state1'),
    region_code,
    region_iso_code: country_code === undefined || region_code === undefined ? undefined : `${country_code}-${region_code}`,
    timezone: textAt(record, 'location', 'time_zone') ?? textAt(record, 'timezone'),
    latitude,
    longitude,
    organization: eitherPlace(textAt, record, 'organization'),
    ...(anonymity ? anonymityOf(record) : {}),
  })
}

function anonymityOf(record: unknown): Facts {
  const flag = (name: string) => (at(record, name) ?? at(record, 'traits', name)) === true
  return {
    hosting_provider: flag('is_hosting_provider'),
    tor_exit_node: flag('is_tor_exit_node'),
    anonymous_vpn: flag('is_anonymous_vpn'),
    anonymous: flag('is_anonymous'),
    public_proxy: flag('is_public_proxy'),
    residential_proxy: flag('is_residential_proxy'),
  }
}

function present(facts: { readonly [F in keyof Facts]: Value | undefined }): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}

/** What a file holds is not trusted to have the right type: anything may come out of it. */
function at(record: unknown, ...path: readonly string[]): unknown {
  let value = record
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as { readonly [name: string]: unknown })[name]
  }
  return value
}

function textAt(record: unknown, ...path: readonly string[]): string | undefined {
  const value = at(record, ...path)
  return typeof value === 'string' && value !== '' ? value : undefined
}

function integerAt(record: unknown, ...path: readonly string[]): number | undefined {
  const value = at(record, ...path)
  const number = typeof value === 'bigint' ? Number(value) : value
  return Number.isSafeInteger(number) ? (number as number) : undefined
}

/** A coordinate; 52 prints as `52.0`, as it does for Logstash, so that an index never takes it for a whole number. */
function doubleAt(record: unknown, ...path: readonly string[]): number | SourceNumber | undefined {
  const value = at(record, ...path)
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined
  return Number.isInteger(value) ? new SourceNumber(`${value}.0`) : value
}

/** Files about networks have their facts at the top, Enterprise files below `traits`. */
function eitherPlace<T>(
  read: (record: unknown, ...path: string[]) => T | undefined,
  record: unknown,
  name: string,
): T | undefined {
  return read(record, name) ?? read(record, 'traits', name)
}

/** The last subdivision is the most specific one. */
function lastOf(list: unknown): unknown {
  return Array.isArray(list) ? list.at(-1) : undefined
}

const COUNTRY_NAMES = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' })

/** A country code of a flat record; `ZZ` stands for an unknown country. */
function countryCode(code: string | undefined): string | undefined {
  return code !== undefined && /^[A-Z]{2}$/.test(code) && code !== 'ZZ' ? code : undefined
}

/** Flat records have no names. */
function countryName(code: string | undefined): string | undefined {
  const known = countryCode(code)
  return known === undefined ? undefined : COUNTRY_NAMES.of(known)
}
