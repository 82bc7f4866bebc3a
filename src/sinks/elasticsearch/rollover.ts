import type { Context } from '../../core/context.ts'
import type { ElasticsearchClient } from './client.ts'
import { NotReady, tell, throwIfNotReady } from './health.ts'
import { INDEX_TEMPLATES, templateHead } from './index-templates.ts'
import { refused } from './nodes.ts'
import type { ElasticsearchOptions } from './options.ts'
import { readRequestError } from './reply.ts'
import type { WantedTemplate } from './template.ts'

/** An alias whose write index Elasticsearch replaces when it has grown (ILM). */
export interface Rollover {
  readonly alias: string
  /** What stands behind the alias in the name of the first index, date math among it. */
  readonly pattern: string
  readonly policy: string
}

const DEFAULT_POLICY = 'logstash-policy'
/** As Logstash makes it. */
const DEFAULT_POLICY_BODY = { policy: { phases: { hot: { actions: { rollover: { max_size: '50gb', max_age: '30d' } } } } } }

/**
 * The alias that the options ask for: with `ilm_enabled` true, or where one is named.
 * @throws MillraceError OUTPUT_CANNOT_START where it is switched off and named all the same
 */
export function readRollover(options: ElasticsearchOptions, has_ecs: boolean): Rollover | undefined {
  const { ilm_enabled, ilm_rollover_alias, ilm_pattern, ilm_policy } = options
  if (ilm_enabled === 'false' || (ilm_enabled !== 'true' && ilm_rollover_alias === undefined)) return undefined
  const alias = ilm_rollover_alias ?? (has_ecs ? 'ecs-logstash' : 'logstash')
  if (alias.includes('%{')) throw refused(`ilm_rollover_alias: expected one alias for all events, got ${alias}`)
  return { alias, pattern: ilm_pattern, policy: ilm_policy }
}

/** The same template for the indices behind the alias. */
export function withRollover({ body, ...template }: WantedTemplate, { alias, policy }: Rollover): WantedTemplate {
  const inner = objectIn(body, 'template')
  const settings = objectIn(inner, 'settings')
  const index = { ...objectIn(settings, 'index'), lifecycle: { name: policy, rollover_alias: alias } }
  const named = { ...body, index_patterns: [`${alias}-*`] }
  return { ...template, body: { ...named, template: { ...inner, settings: { ...settings, index } } } }
}

/** The built-in template for the indices behind an alias. */
export function rolloverTemplate({ alias }: Rollover, name = alias): WantedTemplate {
  const built_in = INDEX_TEMPLATES.find((template) => template.name === alias)
  return { name, body: built_in?.body ?? templateHead(`${alias}-*`, `Indices behind the alias ${alias}.`), replace: 'own' }
}

function objectIn(holder: { readonly [name: string]: unknown }, name: string): { readonly [name: string]: unknown } {
  const value = holder[name]
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

/**
 * Makes the policy and the first index where they are missing.
 * @throws NotReady, RequestFailure for what may work the next time
 */
export async function installRollover(
  client: ElasticsearchClient,
  { alias, pattern, policy }: Rollover,
  context: Context,
  signal: AbortSignal,
): Promise<void> {
  const policy_path = `/_ilm/policy/${encodeURIComponent(policy)}`
  const present = await client.request({ method: 'GET', path: policy_path }, signal)
  throwIfNotReady(present, 'Elasticsearch')
  if (present.status === 404 && policy !== DEFAULT_POLICY) {
    throw new NotReady(`the ILM policy ${policy} does not exist in Elasticsearch: create it, or correct ilm_policy`, true)
  }
  if (present.status === 404) await put(client, policy_path, DEFAULT_POLICY_BODY, `the ILM policy ${policy}`, signal)
  const existing = await client.request({ method: 'GET', path: `/_alias/${encodeURIComponent(alias)}` }, signal)
  throwIfNotReady(existing, 'Elasticsearch')
  if (existing.status !== 404) return
  const first = encodeURIComponent(`<${alias}-${pattern}>`)
  await put(client, `/${first}`, { aliases: { [alias]: { is_write_index: true } } }, `the first index of ${alias}`, signal)
  context.log.info('elasticsearch_rollover', `made the alias ${alias} with its first index`)
}

async function put(client: ElasticsearchClient, path: string, body: object, what: string, signal: AbortSignal): Promise<void> {
  const answer = await client.request({ method: 'PUT', path, body: JSON.stringify(body) }, signal)
  throwIfNotReady(answer, 'Elasticsearch')
  // Another program was quicker.
  if (answer.status < 300 || readRequestError(answer.text).type === 'resource_already_exists_exception') return
  throw new NotReady(`Elasticsearch refused ${what} (${tell(answer)}): see the reason, or set ilm_enabled to false`, true)
}
