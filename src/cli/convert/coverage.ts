import { dirname, resolve } from 'node:path'
import { type ConfigCode, ConfigError, type Position, type Problem } from '../../core/errors.ts'
import type { ComponentNode, Plan } from '../../core/plan.ts'
import { DryRun } from '../dry-run/dry-run.ts'

/** A part of a config that Millrace does not have. */
export interface Unconverted extends Problem {
  readonly component: ComponentNode | undefined
}

/** Faults that no value of a variable could cure. */
const LASTING: readonly ConfigCode[] = ['CONFIG_UNKNOWN_COMPONENT', 'CONFIG_UNKNOWN_OPTION', 'CONFIG_OBSOLETE_OPTION']

/** What of a plan would be refused, whatever its variables are. */
export async function findUnconverted(plan: Plan, components: readonly ComponentNode[]): Promise<Unconverted[]> {
  try {
    await using _run = await DryRun.build(plan, dirname(resolve(components[0]?.at.file ?? '.')))
    return []
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown
    return thrown.problems
      .filter(({ code }) => LASTING.includes(code))
      .map((problem) => ({ ...problem, component: components.findLast(({ at }) => isBefore(at, problem.at)) }))
  }
}

function isBefore(a: Position, b: Position): boolean {
  return a.file === b.file && (a.line < b.line || (a.line === b.line && a.column <= b.column))
}
