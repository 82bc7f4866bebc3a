import type { Context } from '../core/context.ts'
import { type GuardedRegex, guardedRegex, regexLimits } from '../core/regex/guard.ts'
import { type Capture, Expander } from './expand.ts'
import { readPatternFiles } from './pattern-files.ts'
import { builtInPatterns } from './pattern-sets.ts'

export interface LinePattern {
  readonly regex: GuardedRegex
  /** What the groups `g0`, `g1`… of a match are for. */
  readonly captures: readonly Capture[]
}

/**
 * Compiles a pattern in which `%{NAME}` may stand, with the names that come with the program and those of the user's files.
 * @param folders where the user's files are; relative ones start at the config's folder
 * @throws MillraceError REGEX_INVALID, OPTION_INVALID
 */
export function compileLinePattern(pattern: string, folders: readonly string[], context: Context): LinePattern {
  const builtIn = builtInPatterns(context.ecs_compatibility === 'disabled' ? 'legacy' : 'ecs')
  const own = readPatternFiles(
    folders,
    '*',
    context.paths.config,
    (path) => context.log.warn('grok_patterns_missing', `${context.where}: patterns_dir: there is no file at ${path}`),
    context.files,
  )
  const { source, captures } = new Expander({ builtIn, own }, true).expand(pattern)
  // Grok's patterns are compiled so that the dot matches line ends too.
  return { regex: guardedRegex(source, 'm', regexLimits(context)), captures }
}
