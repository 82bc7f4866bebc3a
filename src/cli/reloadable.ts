import { isDeepStrictEqual } from 'node:util'
import type { LoadedPipeline } from '../config/load.ts'
import { startOf } from '../config/read-file.ts'
import { ConfigError, type Problem } from '../core/errors.ts'
import type { Prepared } from './prepare-pipeline.ts'

/** Whether what runs is another one than what was read. */
export function hasChanged(
  present: Omit<Prepared, 'attach'>,
  loaded: LoadedPipeline,
  changed_files: ReadonlySet<string>,
): boolean {
  if (loaded.problems.length > 0 || [...present.factory.files].some((file) => changed_files.has(file))) return true
  return !isDeepStrictEqual(present.loaded.plan, loaded.plan)
}

export function refusal({ sources }: LoadedPipeline, message: string): ConfigError {
  return new ConfigError([{ code: 'CONFIG_CANNOT_START', at: startOf(sources[0]?.file ?? '-f'), message }])
}

/** @throws ConfigError for a pipeline whose place no other can take, or that can take no other's */
export function checkReloadable({ plan, compiled }: Pick<Prepared, 'plan' | 'compiled'>, next: LoadedPipeline): void {
  const { id, reloadable, workers } = plan.settings
  const problems: Problem[] = compiled.inputs
    .filter((input) => !input.reloadable)
    .map(({ name, where }) => {
      const message = `the pipeline ${id} is not reloadable, for the ${name} input at ${where} cannot be handed on: start the program again`
      return { code: 'CONFIG_CANNOT_START', at: startOf(where.replace(/:\d+:\d+$/, '')), message }
    })
  if (next.plan.settings.workers !== workers) {
    const message = `the pipeline ${id} runs with pipeline.workers ${workers}: start the program again for another number`
    problems.push({ code: 'CONFIG_CANNOT_START', at: startOf('pipeline.workers'), message })
  }
  if (!reloadable) {
    const message = `the pipeline ${id} is not reloadable (pipeline.reloadable: false): start the program again`
    problems.push({ code: 'CONFIG_CANNOT_START', at: startOf('pipeline.reloadable'), message })
  }
  if (problems.length > 0) throw new ConfigError(problems)
}
