import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Context } from '../../core/context.ts'
import { messageOf } from '../../core/errors.ts'
import type { ElasticsearchClient } from './client.ts'
import { NotReady, tell, throwIfNotReady } from './health.ts'
import { INDEX_TEMPLATES, type IndexTemplate, TEMPLATE_VERSION } from './index-templates.ts'
import { refused } from './nodes.ts'
import type { ElasticsearchOptions } from './options.ts'
import { type Rollover, rolloverTemplate, withRollover } from './rollover.ts'

/** What to do with a template of the same name that is on the server already. */
type Replace = 'older' | 'own' | 'always' | 'never'

export interface WantedTemplate extends IndexTemplate {
  readonly replace: Replace
}

/**
 * The templates that the options ask for: the built-in ones, or the user's file in their place.
 * @throws MillraceError OUTPUT_CANNOT_START for a file that cannot be read or is not a composable template
 */
export function wantedTemplates(
  options: ElasticsearchOptions,
  rollover: Rollover | undefined,
  has_ecs: boolean,
  config_folder: string,
): WantedTemplate[] {
  if (options.manage_template === false) return []
  if (options.template === undefined) {
    if (rollover !== undefined) return [withRollover(rolloverTemplate(rollover, options.template_name), rollover)]
    return INDEX_TEMPLATES.map((template) => ({ ...template, replace: 'older' }))
  }
  const replace = options.template_overwrite === true ? 'always' : 'never'
  const name = options.template_name ?? rollover?.alias ?? (has_ecs ? 'ecs-logstash' : 'logstash')
  const own: WantedTemplate = { name, body: readTemplateFile(options.template, config_folder), replace }
  return [rollover === undefined ? own : withRollover(own, rollover)]
}

function readTemplateFile(file: string, config_folder: string): IndexTemplate['body'] {
  let body: unknown
  try {
    body = JSON.parse(readFileSync(resolve(config_folder, file), 'utf8'))
  } catch (thrown) {
    throw refused(`template: cannot read ${file} as JSON (${messageOf(thrown)})`)
  }
  if (typeof body !== 'object' || body === null || !('index_patterns' in body)) {
    throw refused(`template: expected ${file} to hold an index template with index_patterns`)
  }
  if ('mappings' in body || 'settings' in body) {
    throw refused(`template: ${file} is a legacy template: put its mappings, settings and aliases into "template": { … }`)
  }
  return { ...body }
}

/**
 * Puts one template in place. A template that is not ours stays as it is; a server that does not let us is warned about:
 * then the indices get the mappings that Elasticsearch guesses.
 * @throws NotReady, RequestFailure for what may work the next time
 */
export async function installTemplate(
  client: ElasticsearchClient,
  wanted: WantedTemplate,
  context: Context,
  signal: AbortSignal,
): Promise<void> {
  const path = `/_index_template/${encodeURIComponent(wanted.name)}`
  const present = await client.request({ method: 'GET', path }, signal)
  throwIfNotReady(present, 'Elasticsearch')
  if (present.status === 200) {
    const version = millraceVersion(present.text)
    if (wanted.replace === 'never') return
    if (wanted.replace !== 'always' && version === undefined) {
      context.log.warn(
        'elasticsearch_foreign_template',
        `the index template ${wanted.name} on the server was not made by this program and stays as it is; rename it, or set manage_template to false if that is meant`,
      )
      return
    }
    if (wanted.replace === 'older' && version !== undefined && version >= TEMPLATE_VERSION) return
  }
  const answer = await client.request({ method: 'PUT', path, body: JSON.stringify(wanted.body) }, signal)
  throwIfNotReady(answer, 'Elasticsearch')
  if (answer.status >= 200 && answer.status < 300) {
    context.log.info('elasticsearch_template_installed', `installed the index template ${wanted.name}`)
    return
  }
  const refusal = `Elasticsearch refused the index template ${wanted.name} (${tell(answer)})`
  // Without it a 20-digit order id would be guessed to be a long, which it does not fit.
  if (answer.status !== 403) throw new NotReady(`${refusal}: see the reason; set manage_template to false to go without`, true)
  context.log.warn(
    'elasticsearch_template_refused',
    `${refusal}: new indices get guessed mappings. Give the role the cluster privilege manage_index_templates, or install it yourself and set manage_template to false`,
  )
}

/** `{"index_templates":[{"name":"…","index_template":{"_meta":{"millrace":{"version":1}}}}]}` */
function millraceVersion(text: string): number | undefined {
  interface Found {
    readonly index_templates?: readonly {
      readonly index_template?: { readonly _meta?: { readonly millrace?: { readonly version?: unknown } } }
    }[]
  }
  try {
    const version = (JSON.parse(text) as Found).index_templates?.[0]?.index_template?._meta?.millrace?.version
    return typeof version === 'number' ? version : undefined
  } catch {
    return undefined
  }
}
