import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { ConfigError, messageOf, type Position, type Problem } from '../core/errors.ts'
import { DEFAULT_SETTINGS, type PipelineSettings, type Plan, type PlanWarning } from '../core/plan.ts'
import { findFiles } from './find-files.ts'
import type { LoweredConf } from './logstash-conf/lower.ts'
import { readConf } from './logstash-conf/read-conf.ts'
import { readWhatIsThere } from './pipeline-json/read-pipeline.ts'
import type { Variables } from './variables.ts'

/** What the command line asks for. */
export interface ConfigRequest {
  /** A file, a folder or a glob (`-f`). */
  readonly path?: string | undefined
  /** The text of a `logstash.conf` (`-e`). */
  readonly text?: string | undefined
  /** `config.support_escapes`. */
  readonly support_escapes?: boolean | undefined
  readonly variables: Variables
}

/** One pipeline as far as it could be read, and what is wrong beside that. */
export interface LoadedPipeline {
  readonly plan: Plan
  readonly problems: readonly Problem[]
}

/**
 * Reads what the command line asks for. The result has one element for every pipeline that is to run, in the order of the config;
 * `plan.settings.id` tells them apart. A `pipeline.json` is one pipeline; all files that `-f` finds beside are one `logstash.conf`.
 * @throws ConfigError for what cannot be read at all
 */
export async function loadConfig(request: ConfigRequest): Promise<readonly LoadedPipeline[]> {
  const { path, text } = request
  if (text !== undefined) return [fromText(text, request)]
  if (path === undefined) throw unreadable('', 'no config was named', 'name a config file with -f FILE')
  return [await fromFiles(path, request)]
}

/**
 * Reads the one pipeline that a file, folder or glob stands for.
 * @throws ConfigError for what cannot be read at all
 */
export async function loadPipeline(path: string, variables: Variables): Promise<LoadedPipeline> {
  return await fromFiles(path, { variables })
}

const JSON_EXTENSIONS = ['.json', '.jsonc']
/** A logstash.conf knows the field names of today's Logstash unless it says otherwise. */
const CONF_SETTINGS: PipelineSettings = { ...DEFAULT_SETTINGS, ecs_compatibility: 'v8' }

async function fromFiles(path: string, request: ConfigRequest): Promise<LoadedPipeline> {
  const { files, skipped } = await findFiles(path)
  const [first] = files
  if (first === undefined) {
    throw unreadable(path, `No config files found in path: ${path}`, 'name a config file with -f FILE')
  }
  const json = files.find((file) => JSON_EXTENSIONS.includes(extname(file)))
  if (json !== undefined) {
    if (files.length > 1) throw unreadable(json, `expected one pipeline.json alone, found ${files.length} files in ${path}`)
    return readWhatIsThere(await readText(json), json, request.variables)
  }
  const parts: LoweredConf[] = []
  for (const file of files) parts.push(readConf(await readText(file), file, request))
  return merge(
    parts,
    skipped.map((file) => ({ at: startOf(file), message: `${file} looks like the backup of an editor and is left out` })),
  )
}

function fromText(text: string, request: ConfigRequest): LoadedPipeline {
  const at = startOf('config.string')
  const written = readConf(text, at.file, request)
  const parts = [written]
  const warnings: PlanWarning[] = []
  for (const { section, preset } of DEFAULT_SECTIONS) {
    if (written.sections.has(section)) continue
    parts.push(readConf(preset, `default ${section}`, request))
    warnings.push({ at, message: `no ${section} is named, so this one is added: ${preset}` })
  }
  return merge(parts, warnings)
}

/** What Logstash adds to the text of `-e`. */
const DEFAULT_SECTIONS = [
  { section: 'input', preset: 'input { stdin { type => stdin } }' },
  { section: 'output', preset: 'output { stdout { codec => rubydebug } }' },
] as const

function merge(parts: readonly LoweredConf[], warnings: readonly PlanWarning[]): LoadedPipeline {
  const plan: Plan = {
    settings: CONF_SETTINGS,
    inputs: parts.flatMap(({ inputs }) => inputs),
    filters: parts.flatMap(({ filters }) => filters),
    outputs: parts.flatMap(({ outputs }) => outputs),
    warnings: [...warnings, ...parts.flatMap((part) => part.warnings)],
  }
  return { plan, problems: parts.flatMap(({ problems }) => problems) }
}

async function readText(file: string): Promise<string> {
  try {
    const text = await readFile(file)
    return new TextDecoder('utf8', { fatal: true, ignoreBOM: !JSON_EXTENSIONS.includes(extname(file)) }).decode(text)
  } catch (thrown) {
    throw unreadable(file, messageOf(thrown), undefined, thrown)
  }
}

function startOf(file: string): Position {
  return { file, line: 1, column: 1 }
}

function unreadable(file: string, message: string, hint?: string, cause?: unknown): ConfigError {
  const problem: Problem = { code: 'CONFIG_FILE_UNREADABLE', at: startOf(file), message, ...(hint === undefined ? {} : { hint }) }
  return new ConfigError([problem], { cause })
}
