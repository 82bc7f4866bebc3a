import { IGNORED_FIELDS } from './ignored-fields.ts'

/** A composable index template with the name it is installed under. */
export interface IndexTemplate {
  readonly name: string
  readonly body: { readonly [name: string]: unknown }
}

/** Raised with every change below: an older template on the server is then replaced. */
export const TEMPLATE_VERSION = 3

/** Above Elasticsearch's own (100 to 201), so that a pattern such as `*-logs-*` of somebody else does not win by accident. */
const PRIORITY = 300

/** Longer texts are stored but not searchable: Lucene refuses terms over 32,766 bytes and the whole document with them. */
const KEYWORD = { type: 'keyword', ignore_above: 1024 }
const TEXT = { type: 'text' }
/** Data from outside: an unreadable value leaves the field out of the search and the document in the index. */
const ADDRESS = { type: 'ip', ignore_malformed: true }
const DECIMAL = { type: 'double', ignore_malformed: true }
/** Texts by the name of the field that was set aside: one field, however many names there are. */
const ASIDE = { type: 'flattened', ignore_above: 1024 }
const TIME = { type: 'date', ignore_malformed: true }
const PLACE = { properties: { location: { type: 'geo_point', ignore_malformed: true }, ip: ADDRESS } }
/** The geoip filter in an ECS layout writes below these. */
const ECS_PEER = { properties: { ip: ADDRESS, geo: PLACE } }

const COMMON_FIELDS = {
  '@timestamp': { type: 'date' },
  '@version': KEYWORD,
  tags: KEYWORD,
  [IGNORED_FIELDS]: ASIDE,
}

/** What every template of ours has. */
export function templateHead(pattern: string, description: string) {
  return { index_patterns: [pattern], priority: PRIORITY, _meta: { millrace: { version: TEMPLATE_VERSION }, description } }
}

/** Unknown texts are keywords: dates are not guessed, for one odd first value would refuse all later ones. */
function templateBody(pattern: string, description: string, properties: { readonly [name: string]: unknown }) {
  return {
    ...templateHead(pattern, description),
    template: {
      settings: { index: { auto_expand_replicas: '0-1' } },
      mappings: {
        date_detection: false,
        dynamic_templates: [{ texts: { match_mapping_type: 'string', mapping: KEYWORD } }],
        properties: { ...COMMON_FIELDS, ...properties },
      },
    },
  }
}

export const INDEX_TEMPLATES: readonly IndexTemplate[] = [
  {
    name: 'exchange-logs',
    body: templateBody('exchange-logs-*', 'Exchange logs, one index a day.', {
      ts: TIME,
      level: KEYWORD,
      logger: KEYWORD,
      service: KEYWORD,
      env: KEYWORD,
      message: TEXT,
      caller: KEYWORD,
      msg: TEXT,
      action: KEYWORD,
      user_id: KEYWORD,
      // Up to 20 digits, which do not fit a long.
      order_id: KEYWORD,
      symbol: KEYWORD,
      side: KEYWORD,
      type: KEYWORD,
      price: DECIMAL,
      quantity: DECIMAL,
      endpoint: KEYWORD,
      method: KEYWORD,
      status: { type: 'integer' },
      duration: { type: 'double' },
      ip: ADDRESS,
      trace_id: KEYWORD,
      span_id: KEYWORD,
      geoip: PLACE,
      client: ECS_PEER,
      source: ECS_PEER,
      destination: ECS_PEER,
    }),
  },
  {
    name: 'exchange-alerts',
    body: templateBody('exchange-alerts-*', 'Alerts about the exchange, one index a month.', {
      status: KEYWORD,
      labels: { properties: { alertname: KEYWORD, severity: KEYWORD } },
      annotations: { properties: { summary: TEXT, description: TEXT } },
      startsAt: TIME,
      // Of those that are over.
      endsAt: TIME,
      generatorURL: KEYWORD,
      fingerprint: KEYWORD,
      // Of the group that it came with.
      receiver: KEYWORD,
      version: KEYWORD,
      groupKey: KEYWORD,
      externalURL: KEYWORD,
    }),
  },
]
