import { join } from 'node:path'
import type { CityResponse } from 'maxmind'

/** Knows the addresses of the sample log. */
export const SAMPLE_DATABASE = join(import.meta.dirname, '../../config/geoip/millrace-sample.mmdb')

/** What the geoip filter puts into an event, made the obvious way. */
export function located(ip: string, record: CityResponse | null): { [name: string]: unknown } {
  if (record === null) return {}
  return {
    ip,
    city_name: record.city?.names.en,
    continent_code: record.continent?.code,
    country_code2: record.country?.iso_code,
    country_code3: record.country?.iso_code,
    country_name: record.country?.names.en,
    postal_code: record.postal?.code,
    region_code: record.subdivisions?.[0]?.iso_code,
    region_name: record.subdivisions?.[0]?.names.en,
    timezone: record.location?.time_zone,
    location: { lat: record.location?.latitude, lon: record.location?.longitude },
    latitude: record.location?.latitude,
    longitude: record.location?.longitude,
  }
}
