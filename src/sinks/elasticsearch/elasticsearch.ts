import { resolve } from 'node:path'
import { defineOutput } from '../../core/component.ts'
import type { OutputContext } from '../../core/contracts.ts'
import type { TextEntry } from '../../core/options/text-hash.ts'
import { compileTemplate, type Template } from '../../core/template.ts'
import { compileAction, isChosenByUs } from './action.ts'
import type { ClientSettings } from './client.ts'
import { readDataStream } from './data-stream.ts'
import { OPERATIONS } from './document.ts'
import { authorizationOf, refused, resolveNodes } from './nodes.ts'
import { ELASTICSEARCH_OPTIONS, type ElasticsearchOptions, REFUSED_OPTIONS, RENAMED_OPTIONS } from './options.ts'
import { type Rollover, readRollover } from './rollover.ts'
import { ElasticsearchSink } from './sink.ts'
import { wantedTemplates } from './template.ts'
import { tlsSettings } from './tls.ts'

/** The level of `http_compression => true` in older configs. */
const HTTP_COMPRESSION_LEVEL = 1

export const elasticsearch = defineOutput({
  name: 'elasticsearch',
  summary: 'Stores events as documents in Elasticsearch 7.14 and newer, by bulk requests into daily indices or data streams.',
  description: `
Every document gets an id that is derived from where its event came from (\`document_id => auto\`), so that a repeated
delivery is recognised by Elasticsearch and counted as already there. Where the input cannot tell (\`http\`, \`tcp\`, \`syslog\` and others),
an event has an id of its own: what this program sends again is stored once, a line that its sender repeats is another event.

What Elasticsearch answers is judged document by document; [Elasticsearch outcomes](../elasticsearch-outcomes.md) is the
table of it. Where it refuses a field (another type than the mapping says,
too many fields, too long a keyword), that field is set aside as text in \`_ignored_fields\`, with a tag that says why, and
the document is stored (\`on_mapping_conflict\`). Documents that it can never take go to the dead letters with its reason. A
closed or write-blocked index parks the events of that index alone. An overloaded, restarting or missing cluster is waited for.

At the start the index templates \`exchange-logs\` and \`exchange-alerts\` are installed for \`exchange-logs-*\` and
\`exchange-alerts-*\`; a template of the same name that this program did not make stays as it is.
`,
  default_codec: 'plain',
  options: ELASTICSEARCH_OPTIONS,
  renamed: RENAMED_OPTIONS,
  refused: REFUSED_OPTIONS,
  examples: [
    {
      title: 'One index a day',
      options: { hosts: ['http://127.0.0.1:9200'], index: 'exchange-logs-%{+YYYY.MM.dd}' },
    },
    {
      title: 'A cluster with TLS and an API key',
      options: {
        hosts: ['https://es1:9200', 'https://es2:9200'],
        index: 'exchange-logs-%{+YYYY.MM.dd}',
        api_key: 'VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw',
        ssl_certificate_authorities: ['/etc/millrace/ca.pem'],
        compression_level: 1,
      },
    },
  ],
  create: (options, context) => {
    const has_ecs = context.ecs_compatibility !== 'disabled'
    const stream = readDataStream(options, has_ecs)
    const rollover = stream === undefined ? readRollover(options, has_ecs) : undefined
    if (rollover !== undefined && options.index !== undefined) {
      context.log.warn(
        'elasticsearch_index',
        `${context.where}: index is not used: documents go to the alias ${rollover.alias} (ilm_rollover_alias)`,
      )
    }
    const index = stream?.index ?? indexOf(options, rollover, has_ecs)
    const { template } = options
    if (template !== undefined) context.files.reads(resolve(context.paths.config, template))
    return new ElasticsearchSink(
      {
        client: clientSettings(options, context),
        batching: {
          events_max: options.bulk_events_max,
          bytes_max: options.bulk_bytes_max,
          concurrency: options.bulk_concurrency,
          retry_first_ms: options.retry_initial_interval * 1000,
          retry_max_ms: options.retry_max_interval * 1000,
        },
        actionOf: compileAction({
          ...options,
          index,
          fieldFor: stream?.fieldFor,
          document_id: options.document_id ?? compileTemplate('auto'),
          action: stream === undefined ? checkedAction(options) : compileTemplate('create'),
        }),
        index,
        guard: { set_aside: options.on_mapping_conflict === 'set_aside', new_fields_max: options.new_fields_max },
        date_window_ms: options.index_date_window,
        own: { dlq_custom_codes: checkedCodes(options), drop_error_types: options.drop_error_types },
        parameters: textsOf(options.parameters),
        bulk_path: checkedBulkPath(options),
        healthcheck_path: options.healthcheck_path,
        templates: stream === undefined ? wantedTemplates(options, rollover, has_ecs, context.paths.config) : [],
        rollover,
      },
      context,
    )
  },
})

const INDEX = 'logstash-%{+yyyy.MM.dd}'
const INDEX_ECS = 'ecs-logstash-%{+yyyy.MM.dd}'

function indexOf({ index }: ElasticsearchOptions, rollover: Rollover | undefined, has_ecs: boolean): Template {
  if (rollover !== undefined) return compileTemplate(rollover.alias)
  return index ?? compileTemplate(has_ecs ? INDEX_ECS : INDEX)
}

function clientSettings(options: ElasticsearchOptions, context: OutputContext): ClientSettings {
  const nodes = resolveNodes(options)
  return {
    nodes,
    authorization: authorizationOf(options),
    // The client sends a name twice that it meets in two spellings.
    headers: lowerCaseNames(textsOf(options.custom_headers)),
    tls: tlsSettings(options, context),
    ca_fingerprint: checkedFingerprint(options, nodes[0]?.url.protocol === 'https:'),
    proxy: readProxy(options),
    timeout_ms: options.timeout * 1000,
    compression_level: options.http_compression === true ? HTTP_COMPRESSION_LEVEL : options.compression_level,
    concurrency: options.bulk_concurrency,
  }
}

function checkedAction(options: ElasticsearchOptions): ElasticsearchOptions['action'] {
  const { action, document_id, version, version_type, parent, join_field, upsert, doc_as_upsert } = options
  const constant = action?.constant
  if (constant !== undefined && !OPERATIONS.some((operation) => operation === constant)) {
    throw refused(`action: expected one of ${OPERATIONS.join(', ')}, got ${JSON.stringify(constant)}`)
  }
  const needs_id = constant === 'update' || constant === 'delete'
  if (needs_id && (document_id === undefined || isChosenByUs(document_id.constant))) {
    throw refused(`action ${constant} needs document_id, which says whose document it is`)
  }
  if (parent !== undefined && join_field === undefined)
    throw refused('parent needs join_field: Elasticsearch has no other parents any more')
  if (version_type !== undefined && version === undefined) throw refused('version_type needs version')
  if (version !== undefined && (constant === 'create' || constant === 'update')) {
    throw refused(`action ${constant} takes no version: use index`)
  }
  if (doc_as_upsert && upsert !== undefined) throw refused('expected one of doc_as_upsert and upsert, got both: keep one')
  return action
}

/** The client puts `path` in front of every request, and so of this one. */
function checkedBulkPath({ bulk_path, path }: ElasticsearchOptions): string {
  const prefix = path === undefined ? '' : `/${path.replaceAll(/^\/+|\/+$/g, '')}`
  const own = `/${bulk_path.replace(/^\/+/, '')}`
  return prefix !== '' && own.startsWith(`${prefix}/`) ? own.slice(prefix.length) : own
}

function readProxy({ proxy }: ElasticsearchOptions): URL | undefined {
  if (proxy === undefined || proxy === '') return undefined
  const url = URL.parse(proxy.includes('://') ? proxy : `http://${proxy}`)
  // It may hold a password, so it is not repeated.
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw refused('expected an address such as http://proxy:3128 in proxy, got one that cannot be read')
  }
  return url
}

function checkedCodes({ dlq_custom_codes }: ElasticsearchOptions): readonly number[] {
  const never = dlq_custom_codes.find((code) => code === 200 || code === 201 || code === 409)
  if (never !== undefined)
    throw refused(`dlq_custom_codes: ${never} means that the document is stored, so it cannot be dead-lettered`)
  return dlq_custom_codes
}

function checkedFingerprint({ ca_trusted_fingerprint }: ElasticsearchOptions, tls: boolean): string | undefined {
  if (ca_trusted_fingerprint === undefined) return undefined
  if (!tls) throw refused('ca_trusted_fingerprint needs https: write https:// in hosts, or set ssl_enabled')
  if (!/^[0-9a-f]{64}$/i.test(ca_trusted_fingerprint.replaceAll(':', ''))) {
    throw refused('ca_trusted_fingerprint: expected 64 hexadecimal digits, the SHA-256 of the certificate')
  }
  return ca_trusted_fingerprint
}

function textsOf(entries: readonly TextEntry[]): { [name: string]: string } {
  return Object.fromEntries(entries.map(({ name, text }) => [name, text]))
}

function lowerCaseNames(headers: { readonly [name: string]: string }): { [name: string]: string } {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
