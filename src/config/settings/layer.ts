import { type ConfigCode, didYouMean, formatPosition, type Position, type Problem } from '../../core/errors.ts'
import type { PlanWarning } from '../../core/plan.ts'
import { keepIfSecret, keepSecretsOfAddresses } from '../../core/secret.ts'
import { findSetting, KNOWN_SETTINGS } from './known-settings.ts'

/** What one setting says, as text, and where. */
export interface Setting {
  readonly value: string
  readonly at: Position
  /** On the command line. */
  readonly is_flag?: boolean
}

/** Settings by Logstash's names. */
export type Settings = ReadonlyMap<string, Setting>

/** Settings of which every one is known, and what is wrong or without effect among them. */
export interface CheckedSettings {
  readonly settings: Settings
  readonly problems: readonly Problem[]
  readonly warnings: readonly PlanWarning[]
}

/** The same, where what stands later in the list wins. */
export function stack(...layers: readonly Settings[]): Settings {
  return new Map(layers.flatMap((layer) => [...layer]))
}

/** Looks each setting up; `scope`: only those of a pipeline may be there. */
export function checkSettings(given: Settings, scope: 'pipeline' | 'program'): CheckedSettings {
  const settings = new Map<string, Setting>()
  const problems: Problem[] = []
  const warnings: PlanWarning[] = []
  for (const [name, setting] of given) {
    const { at, value } = setting
    keepIfSecret(name, value)
    keepSecretsOfAddresses(value)
    const known = findSetting(name)
    if (known === undefined || (scope === 'pipeline' && known.scope === 'program')) {
      problems.push(unknown(name, at, known === undefined ? scope : 'pipeline'))
      continue
    }
    if (known.renamed !== undefined) warnings.push({ at, message: `${name} is the old name of ${known.renamed}` })
    if (known.without_effect !== undefined && known.harmless?.includes(value) !== true) {
      warnings.push({ at, message: `${name} changes nothing: ${known.without_effect}` })
    }
    settings.set(known.renamed ?? name, setting)
  }
  return { settings, problems, warnings }
}

function unknown(name: string, at: Position, scope: 'pipeline' | 'program'): Problem {
  const code: ConfigCode = 'CONFIG_UNKNOWN_OPTION'
  if (scope === 'pipeline' && findSetting(name) !== undefined) {
    const message = `Only pipeline related settings are expected. Received "${name}"`
    return { code, at, message, hint: `${name} is one of the program: it stands in logstash.yml` }
  }
  const message =
    scope === 'pipeline'
      ? `Only pipeline related settings are expected. Received "${name}"`
      : `Setting "${name}" doesn't exist. Please check if you haven't made a typo.`
  return { code, at, message, ...didYouMean(name, Object.keys(KNOWN_SETTINGS)) }
}

/** Where a setting was made, for messages. */
export function placeOf({ at, is_flag }: Setting): string {
  return is_flag === true ? 'the command line' : formatPosition(at)
}
