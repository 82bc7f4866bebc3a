import type { Automaton } from './automaton.ts'
import type { Characters } from './characters.ts'

/** The strongly connected parts of an automaton: its loops and what lies between them. */
export class Components {
  /** Those that can be gone round, as sets of positions. */
  readonly loops: readonly ReadonlySet<number>[]
  readonly #automaton: Automaton
  /** Each part comes after all that lead to it. */
  readonly #parts: readonly (readonly number[])[]
  readonly #partOf: readonly number[]

  constructor(automaton: Automaton) {
    this.#automaton = automaton
    const found = partsOf(automaton)
    this.#parts = found.toReversed()
    const partOf: number[] = []
    for (const [index, part] of this.#parts.entries()) for (const position of part) partOf[position] = index
    this.#partOf = partOf
    this.loops = this.#parts.filter((part) => this.#isLoop(part)).map((part) => new Set(part))
  }

  #isLoop(part: readonly number[]): boolean {
    const [first] = part
    return part.length > 1 || (first !== undefined && this.#automaton.edges[first]?.has(first) === true)
  }

  /** At most so many runs go through the positions, each loop gone round once: the constant of the bound. */
  ways(): number {
    const ways = this.#parts.map(() => 0)
    ways[this.#partOf[0] ?? 0] = 1
    let total = 0
    for (const [index, part] of this.#parts.entries()) {
      const here = ways[index] ?? 0
      total += here * part.length
      for (const from of part) {
        for (const [to, weight] of this.#automaton.edges[from] ?? []) {
          const target = this.#partOf[to] ?? 0
          if (target !== index) ways[target] = (ways[target] ?? 0) + here * weight
        }
      }
    }
    return total
  }

  /**
   * The degree of the bound: how many times on one way through the pattern a run has the choice where in the text to go on from
   * one loop to a later one, and one for going through the text at all.
   */
  longestChain(): number {
    const degrees = this.loops.map(() => 1)
    for (const [index, loop] of this.loops.entries()) {
      const reached = this.#reachedFrom(loop, undefined)
      for (let later = index + 1; later < this.loops.length; later++) {
        const other = this.loops[later] as ReadonlySet<number>
        if (!overlaps(reached, other)) continue
        const step = this.#isChoice(loop, other) ? 1 : 0
        degrees[later] = Math.max(degrees[later] ?? 1, (degrees[index] ?? 1) + step)
      }
    }
    return Math.max(0, ...degrees)
  }

  /** Whether some text can be taken by the first loop, by the way to the second one, and by that one. */
  #isChoice(loop: ReadonlySet<number>, later: ReadonlySet<number>): boolean {
    const common = this.#takenBy(loop) & this.#takenBy(later)
    return common !== 0n && overlaps(this.#reachedFrom(loop, common), later)
  }

  #takenBy(loop: ReadonlySet<number>): Characters {
    let characters = 0n
    for (const position of loop) characters |= this.#automaton.takes[position] ?? 0n
    return characters
  }

  /** What can be reached behind a loop, where given by such characters alone. */
  #reachedFrom(loop: ReadonlySet<number>, characters: Characters | undefined): ReadonlySet<number> {
    const reached = new Set<number>()
    const waiting = [...loop]
    for (let from = waiting.pop(); from !== undefined; from = waiting.pop()) {
      for (const to of this.#automaton.edges[from]?.keys() ?? []) {
        if (reached.has(to) || loop.has(to)) continue
        if (characters !== undefined && ((this.#automaton.takes[to] ?? 0n) & characters) === 0n) continue
        reached.add(to)
        waiting.push(to)
      }
    }
    return reached
  }
}

function overlaps(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  for (const item of b) if (a.has(item)) return true
  return false
}

/** Tarjan's algorithm, with a stack of its own: patterns are long. A part comes before those that lead to it. */
function partsOf({ edges }: Automaton): number[][] {
  const parts: number[][] = []
  const order: number[] = []
  const low: number[] = []
  const isOpen: boolean[] = []
  const open: number[] = []
  let counted = 0
  for (let root = 0; root < edges.length; root++) {
    if (order[root] !== undefined) continue
    const path: { readonly at: number; readonly next: Iterator<number> }[] = []
    const enter = (at: number): void => {
      order[at] = counted
      low[at] = counted++
      open.push(at)
      isOpen[at] = true
      path.push({ at, next: (edges[at] as ReadonlyMap<number, number>).keys() })
    }
    enter(root)
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const { at, next } = top
      const { value: to, done } = next.next()
      if (done !== true && to !== undefined) {
        if (order[to] === undefined) enter(to)
        else if (isOpen[to] === true) low[at] = Math.min(low[at] ?? 0, order[to])
        continue
      }
      path.pop()
      const parent = path.at(-1)?.at
      if (parent !== undefined) low[parent] = Math.min(low[parent] ?? 0, low[at] ?? 0)
      if (low[at] !== order[at]) continue
      const part = open.splice(open.lastIndexOf(at))
      for (const member of part) isOpen[member] = false
      parts.push(part)
    }
  }
  return parts
}
