import type { OnigurumaAst } from 'oniguruma-parser/parser'
import { type Automaton, buildAutomaton, NotAnalyzable } from './automaton.ts'
import { type Characters, sampleOf } from './characters.ts'
import { Components } from './components.ts'

/**
 * How long a search for a pattern may take at worst, counted in steps of the search (about 10 ns each).
 * - `polynomial`: at most `factor` times the number of ways to choose `degree` places in the text (with repetition).
 * - `exponential`: a text of a few dozen characters may take longer than anybody waits.
 * - `unknown`: the pattern is beyond the analysis.
 */
export type RegexCost =
  | { readonly kind: 'polynomial'; readonly degree: number; readonly factor: number }
  | { readonly kind: 'exponential'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string }

/** Bounds the time of a search from above by the pattern alone: never too low, often too high. */
export function costOfRegex(ast: OnigurumaAst): RegexCost {
  try {
    return costOfAutomaton(buildAutomaton(ast))
  } catch (thrown) {
    if (!(thrown instanceof NotAnalyzable)) throw thrown
    return { kind: 'unknown', reason: thrown.message }
  }
}

/** Why a search is exponential; `undefined` where it is not, or the analysis cannot tell. Faster than the whole cost. */
export function whyExponential(ast: OnigurumaAst): string | undefined {
  try {
    return whyDoubled(buildAutomaton(ast))
  } catch (thrown) {
    if (!(thrown instanceof NotAnalyzable)) throw thrown
    return undefined
  }
}

function whyDoubled(automaton: Automaton): string | undefined {
  for (const inner of automaton.inner) {
    const why = whyDoubled(inner)
    if (why !== undefined) return why
  }
  const doubled = findDoubled(automaton, new Components(automaton))
  return doubled === undefined ? undefined : describeDoubled(doubled)
}

function costOfAutomaton(automaton: Automaton): RegexCost {
  const why = whyDoubled(automaton)
  return why === undefined ? polynomialOf(automaton) : { kind: 'exponential', reason: why }
}

function polynomialOf(automaton: Automaton): RegexCost & { readonly kind: 'polynomial' } {
  const inner = automaton.inner.map(polynomialOf)
  const components = new Components(automaton)
  const factor = inner.reduce((sum, cost) => sum + cost.factor, 0)
  return {
    kind: 'polynomial',
    degree: components.longestChain() + Math.max(0, ...inner.map(({ degree }) => degree)),
    factor: Math.max(1, factor) * components.ways(),
  }
}

function describeDoubled(characters: Characters): string {
  return (
    `its repetitions can share out a run of ${JSON.stringify(sampleOf(characters))} among themselves in ever more ways: ` +
    'each further character doubles the time of a text that does not match in the end'
  )
}

/** A character on which a loop can go on in two ways that come together again: then every round doubles the runs. */
function findDoubled({ takes, edges }: Automaton, components: Components): Characters | undefined {
  for (const loop of components.loops) {
    for (const from of loop) {
      for (const [to, ways] of edges[from] ?? []) if (ways > 1 && loop.has(to) && takes[to] !== 0n) return takes[to]
    }
    const doubled = findSplit(loop, takes, edges)
    if (doubled !== undefined) return doubled
  }
  return undefined
}

/** More pairs than this are not looked at: such a pattern counts as beyond the analysis. */
const PAIRS_MAX = 200_000

/**
 * Two runs at once through a loop, on the same text: whether they can begin at one position, part, and meet again there.
 * Then the pair of equal positions and a pair of different ones lie on one cycle.
 */
function findSplit(loop: ReadonlySet<number>, takes: Automaton['takes'], edges: Automaton['edges']): Characters | undefined {
  const numbers = new Map([...loop].map((position, index) => [position, index]))
  const size = loop.size
  const out = [...loop].map((from) => [...(edges[from]?.keys() ?? [])].filter((to) => loop.has(to)))
  const positions = [...loop]
  if (size * size > PAIRS_MAX) throw new NotAnalyzable('a repetition in it is too large')
  const following = new Map<number, number[]>()
  const waiting: number[] = positions.map((_, index) => index * size + index)
  let looked = 0
  for (let pair = waiting.pop(); pair !== undefined; pair = waiting.pop()) {
    if (following.has(pair)) continue
    const next: number[] = []
    following.set(pair, next)
    for (const a of out[Math.floor(pair / size)] ?? []) {
      for (const b of out[pair % size] ?? []) {
        if (++looked > PAIRS_MAX * 10) throw new NotAnalyzable('a repetition in it is too large')
        if (((takes[a] ?? 0n) & (takes[b] ?? 0n)) === 0n) continue
        const target = (numbers.get(a) ?? 0) * size + (numbers.get(b) ?? 0)
        next.push(target)
        if (!following.has(target)) waiting.push(target)
      }
    }
  }
  const meeting = new Set(positions.map((_, index) => index * size + index))
  const back = reachedBackwards(following, meeting)
  for (const pair of back) {
    if (Math.floor(pair / size) === pair % size) continue
    return (takes[positions[Math.floor(pair / size)] ?? 0] ?? 0n) & (takes[positions[pair % size] ?? 0] ?? 0n)
  }
  return undefined
}

/** Everything from which one of the goals can be reached. */
function reachedBackwards(following: ReadonlyMap<number, readonly number[]>, goals: ReadonlySet<number>): Set<number> {
  const before = new Map<number, number[]>()
  for (const [from, next] of following) {
    for (const to of next) {
      const list = before.get(to)
      if (list === undefined) before.set(to, [from])
      else list.push(from)
    }
  }
  const reached = new Set(goals)
  const waiting = [...goals]
  for (let pair = waiting.pop(); pair !== undefined; pair = waiting.pop()) {
    for (const from of before.get(pair) ?? []) {
      if (reached.has(from)) continue
      reached.add(from)
      waiting.push(from)
    }
  }
  return reached
}
