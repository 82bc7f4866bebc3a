import { existsSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { ConfigError, type Problem } from '../core/errors.ts'
import { DEFAULT_SETTINGS, type PipelineSettings, type Plan, type PlanWarning } from '../core/plan.ts'
import { findFiles } from './find-files.ts'
import type { LoweredConf } from './logstash-conf/lower.ts'
import { readConf } from './logstash-conf/read-conf.ts'
import { readWhatIsThere } from './pipeline-json/read-pipeline.ts'
import { readText, startOf, unreadable } from './read-file.ts'
import { checkSettings, type Settings, stack } from './settings/layer.ts'
import { readPipelineSettings } from './settings/pipeline-settings.ts'
import { readPipelinesYml } from './settings/read-yml.ts'
import { SourceText, withSourceLines } from './source-text.ts'
import type { Variables } from './variables.ts'

/** What the command line asks for. */
export interface ConfigRequest {
  /** A file, a folder or a glob (`-f`); else the setting `path.config`. */
  readonly path?: string | undefined
  /** The text of a `logstash.conf` (`-e`); else the setting `config.string`. */
  readonly text?: string | undefined
  /** `config.support_escapes`, whatever the settings say. */
  readonly support_escapes?: boolean | undefined
  /** Flags and `logstash.yml`. */
  readonly settings?: Settings | undefined
  /** Where a `pipelines.yml` may stand (`--path.settings`). */
  readonly settings_folder?: string | undefined
  readonly variables: Variables
  /** A part of a pipeline, whose inputs and outputs are elsewhere. */
  readonly filters_only?: boolean
}

/** One pipeline as far as it could be read, and what is wrong beside that. */
export interface LoadedPipeline {
  readonly plan: Plan
  readonly problems: readonly Problem[]
  /** The texts that it was read from: positions are in one of these. */
  readonly sources: readonly SourceText[]
  /** Where relative paths in options start. */
  readonly folder: string
  /** The file, folder or pattern that it was read from. */
  readonly path?: string
}

const PIPELINES_YML = 'pipelines.yml'
const JSON_EXTENSIONS = ['.json', '.jsonc']
/** A logstash.conf knows the field names of today's Logstash unless it says otherwise. */
const CONF_SETTINGS: PipelineSettings = { ...DEFAULT_SETTINGS, ecs_compatibility: 'v8' }

/**
 * Reads what the command line asks for: `-e` or `-f`, else the pipelines of `pipelines.yml`. The result has one element for
 * every pipeline that is to run, in the order of the config; `plan.settings.id` tells them apart. A `pipeline.json` is one
 * pipeline; all files that one `-f` finds beside are one `logstash.conf`, in the order of their names.
 * @throws ConfigError for what cannot be read at all
 */
export async function loadConfig(request: ConfigRequest): Promise<readonly LoadedPipeline[]> {
  const { settings = new Map(), settings_folder } = request
  const path = request.path ?? settings.get('path.config')?.value
  const text = request.text ?? settings.get('config.string')?.value
  const pipelines = settings_folder === undefined ? undefined : join(settings_folder, PIPELINES_YML)
  const hasPipelines = pipelines !== undefined && existsSync(pipelines)
  if (path === undefined && text === undefined) {
    if (hasPipelines) return await fromPipelinesYml(pipelines, request)
    const hint = 'name a config file with -f FILE, a text with -e TEXT, or a folder with a pipelines.yml with --path.settings DIR'
    throw unreadable(
      'command line',
      "No configuration file was specified. Perhaps you forgot to provide the '-f yourlogstash.conf' flag?",
      hint,
    )
  }
  const loaded = text === undefined ? { ...(await fromFiles(path ?? '', request)), path: path ?? '' } : fromText(text, request)
  if (!hasPipelines) return [loaded]
  const ignored = `Ignoring the 'pipelines.yml' file because modules or command line options are specified`
  return [withWarnings(loaded, [{ at: startOf(pipelines), message: ignored }])]
}

/**
 * Reads the one pipeline that a file, folder or glob stands for.
 * @throws ConfigError for what cannot be read at all
 */
export async function loadPipeline(path: string, variables: Variables): Promise<LoadedPipeline> {
  return await fromFiles(path, { variables })
}

async function fromPipelinesYml(file: string, request: ConfigRequest): Promise<LoadedPipeline[]> {
  const read = readPipelinesYml(await readText(file), file, request.variables)
  if (read.problems.some(({ code }) => code === 'CONFIG_SYNTAX')) throw new ConfigError(read.problems)
  const problems = [...read.problems]
  const taken = new Set<string>()
  const loaded: LoadedPipeline[] = []
  for (const entry of read.content) {
    const checked = checkSettings(entry, 'pipeline')
    problems.push(...checked.problems)
    const id = checked.settings.get('pipeline.id')?.value ?? DEFAULT_SETTINGS.id
    const at = checked.settings.get('pipeline.id')?.at ?? [...entry.values()][0]?.at ?? startOf(file)
    if (taken.has(id)) {
      const message = `Pipelines YAML file contains duplicate pipeline ids: ["${id}"]`
      problems.push({ code: 'CONFIG_STRUCTURE', at, message, hint: 'give every pipeline its own pipeline.id' })
    }
    taken.add(id)
    loaded.push(withWarnings(await fromEntry(checked.settings, file, request), checked.warnings))
  }
  if (read.content.length === 0 && problems.length === 0) {
    problems.push({ code: 'CONFIG_STRUCTURE', at: startOf(file), message: 'expected at least one pipeline, found none' })
  }
  if (problems.length > 0) throw new ConfigError([...problems, ...loaded.flatMap((one) => one.problems)])
  return loaded
}

/** One pipeline of `pipelines.yml`. What is wrong with it keeps no other from being read. */
async function fromEntry(entry: Settings, file: string, request: ConfigRequest): Promise<LoadedPipeline> {
  const path = entry.get('path.config')?.value
  const text = entry.get('config.string')?.value
  const own: ConfigRequest = { ...request, settings: stack(request.settings ?? new Map(), entry) }
  try {
    if (text !== undefined) return fromText(text, own, `${file} (${entry.get('pipeline.id')?.value ?? DEFAULT_SETTINGS.id})`)
    if (path !== undefined) return { ...(await fromFiles(path, own, entry)), path }
    const at = [...entry.values()][0]?.at ?? startOf(file)
    throw new ConfigError([{ code: 'CONFIG_STRUCTURE', at, message: 'expected path.config or config.string in a pipeline' }])
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown
    return { ...merge([], own), problems: thrown.problems, ...(path === undefined ? {} : { path }) }
  }
}

async function fromFiles(path: string, request: ConfigRequest, entry?: Settings): Promise<LoadedPipeline> {
  const { files, skipped } = await findFiles(path)
  const [first] = files
  if (first === undefined) {
    const isAddress = /^https?:\/\//i.test(path)
    const hint = isAddress ? 'configs are not fetched: save it, and name the file' : 'name a config file with -f FILE'
    throw unreadable(path, `No config files found in path: ${path}`, hint)
  }
  const json = files.find((file) => JSON_EXTENSIONS.includes(extname(file)))
  if (json !== undefined) {
    if (files.length > 1) throw unreadable(json, `expected one pipeline.json alone, found ${files.length} files in ${path}`)
    return await fromJson(json, request, entry)
  }
  const parts: ReadText[] = []
  const support_escapes = wantsEscapes(request)
  for (const file of files) parts.push(readPart(await readText(file), file, { ...request, support_escapes }))
  const warnings = skipped.map((file): PlanWarning => {
    return { at: startOf(file), message: `${file} looks like the backup of an editor and is left out` }
  })
  return withWarnings(merge(parts, request, dirname(first)), warnings)
}

async function fromJson(file: string, request: ConfigRequest, entry: Settings = new Map()): Promise<LoadedPipeline> {
  const text = (await readText(file)).replace(/^\uFEFF/, '')
  const { plan, problems } = readWhatIsThere(text, file, request.variables, request.filters_only)
  // What logstash.yml says is for a logstash.conf; flags and the own entry of a pipeline are for this one too.
  const flags = new Map([...(request.settings ?? [])].filter(([, { is_flag }]) => is_flag))
  const found: Problem[] = [...problems]
  const { settings } = readPipelineSettings(stack(entry, flags), plan.settings, (problem) => found.push(problem))
  return { plan: { ...plan, settings }, problems: found, sources: [new SourceText(file, text)], folder: dirname(file) }
}

function fromText(text: string, request: ConfigRequest, name = 'config.string'): LoadedPipeline {
  const at = startOf(name)
  const options = { ...request, support_escapes: wantsEscapes(request) }
  const written = readPart(text, at.file, options)
  const parts = [written]
  const warnings: PlanWarning[] = []
  for (const { section, preset } of DEFAULT_SECTIONS) {
    if (written.sections.has(section)) continue
    parts.push(readPart(preset, `default ${section}`, options))
    warnings.push({ at, message: `no ${section} is named, so this one is added: ${preset}` })
  }
  return withWarnings(merge(parts, request), warnings)
}

/** What Logstash adds to the text of `-e`. */
const DEFAULT_SECTIONS = [
  { section: 'input', preset: 'input { stdin { type => stdin } }' },
  { section: 'output', preset: 'output { stdout { codec => rubydebug } }' },
] as const

type ReadText = LoweredConf & { readonly source: SourceText }

function readPart(text: string, file: string, options: Pick<ConfigRequest, 'variables' | 'support_escapes'>): ReadText {
  return { ...readConf(text, file, options), source: new SourceText(file, text) }
}

function wantsEscapes({ support_escapes, settings = new Map() }: ConfigRequest): boolean {
  return support_escapes ?? readPipelineSettings(settings, CONF_SETTINGS, () => {}).support_escapes
}

function merge(parts: readonly ReadText[], { settings: layer = new Map() }: ConfigRequest, folder = '.'): LoadedPipeline {
  const problems = parts.flatMap((part) => part.problems)
  const { settings } = readPipelineSettings(layer, CONF_SETTINGS, (problem) => problems.push(problem))
  const sources = parts.map(({ source }) => source)
  const warnings = parts.flatMap((part) => [...part.warnings])
  for (const section of ['input', 'output'] as const) {
    if (parts.length === 0 || parts.some(({ sections }) => sections.has(section))) continue
    const what = section === 'input' ? 'it ends at once' : 'its events go nowhere'
    warnings.push({
      at: startOf(sources[0]?.file ?? '-f'),
      message: `no ${section} is named: ${what}`,
    })
  }
  const plan: Plan = {
    settings,
    inputs: parts.flatMap(({ inputs }) => inputs),
    filters: parts.flatMap(({ filters }) => filters),
    outputs: parts.flatMap(({ outputs }) => outputs),
    warnings,
  }
  return { plan, problems: withSourceLines(problems, sources), sources, folder }
}

function withWarnings(loaded: LoadedPipeline, warnings: readonly PlanWarning[]): LoadedPipeline {
  return { ...loaded, plan: { ...loaded.plan, warnings: [...warnings, ...loaded.plan.warnings] } }
}
