import { compileRegex, forgetfulLoopsOf } from '../../core/regex/regex.ts'

/** Finds a pattern in a text. May take very long: to be run under a limit. */
export type Search = (text: string) => RegExpExecArray | null

/** Compiles a pattern whose groups are named `g0`, `g1`… in their order, or where all others are, numbered from 1. */
export function compileSearch(source: string): Search {
  // Grok's patterns are compiled so that the dot matches line ends too.
  const regex = withoutNames(compileRegex(source, 'm'))
  // What the translator has to emulate takes no further flags.
  const loops = isNative(regex) ? forgetfulLoopsOf(source, 'm') : undefined
  if (loops === undefined) {
    return (text) => {
      // `\G` makes an expression that goes on where it was.
      regex.lastIndex = 0
      return regex.exec(text)
    }
  }
  const whole = withFlag(compileRegex(loops.source, 'm'), 'd')
  const rounds = loops.rounds.map((round) => withFlag(compileRegex(round, 'm'), 'y'))
  return (text) => {
    const match = whole.exec(text)
    if (match !== null) for (const [loop, round] of rounds.entries()) remember(match, text, `loop${loop}`, round)
    return match
  }
}

function isNative(regex: RegExp): boolean {
  return Object.getPrototypeOf(regex) === RegExp.prototype
}

function withFlag(regex: RegExp, flag: string): RegExp {
  return new RegExp(regex.source, regex.flags + flag)
}

/** Goes through the rounds of a loop once more, to give groups what an earlier round than the last one found. */
function remember({ groups, indices }: RegExpExecArray, text: string, loop: string, round: RegExp): void {
  const [start, end] = indices?.groups?.[loop] ?? [0, 0]
  if (groups === undefined || start === end) return
  const taken = text.slice(0, end)
  const found: { [name: string]: string } = {}
  round.lastIndex = start
  for (let one = round.exec(taken); one !== null && one[0] !== ''; one = round.exec(taken)) {
    for (const [name, value] of Object.entries(one.groups ?? {})) if (value !== undefined) found[name] = value
  }
  for (const [name, value] of Object.entries(found)) groups[name] ??= value
}

/**
 * Where all groups are named, the same expression without the names, for the matches of a batch are kept, and their maps of groups
 * are most of what they take: then the group `g0` is number 1.
 */
function withoutNames(regex: RegExp): RegExp {
  const groups = new RegExp(`${regex.source}|`, regex.flags).exec('')
  const names = Object.keys(groups?.groups ?? {})
  const isPlain = names.length > 0 && names.length === (groups?.length ?? 0) - 1 && names.every((name) => /^g\d+$/.test(name))
  if (!isPlain || regex.source.includes('\\k<') || !isNative(regex)) return regex
  return new RegExp(
    regex.source.replace(/\\[\s\S]|\(\?<g\d+>/g, (found) => (found.startsWith('(') ? '(' : found)),
    regex.flags,
  )
}
