import type {
  AlternativeElementNode,
  AlternativeNode,
  CapturingGroupNode,
  CharacterSetNode,
  OnigurumaAst,
  QuantifierNode,
  SubroutineNode,
} from 'oniguruma-parser/parser'
import {
  ALL_CHARACTERS,
  type Characters,
  charactersOfClass,
  charactersOfSet,
  inBothCases,
  LINE_END,
  oneCharacter,
  WORD_CHARACTERS,
} from './characters.ts'
import { beginsWith, findGroup, isFlagOn, matchesAnyLength } from './tree.ts'

/** Repetitions up to this often are written out; more count as any number, which is never too low. */
const WRITTEN_OUT_MAX = 8
/** `\h{64}` is written out too. */
const WRITTEN_OUT_EXACTLY_MAX = 64
const POSITIONS_MAX = 20_000

/** The pattern is beyond what the analysis knows: `why` for people. */
export class NotAnalyzable extends Error {}

/**
 * What a backtracking search for a pattern can do, as an automaton: its positions are the places of the pattern that take
 * a character, an edge says that one can be tried right after the other, and its weight in how many ways the search
 * comes from one to the other. A search tries every run of the automaton in the worst case, so what bounds the runs bounds the time.
 */
export interface Automaton {
  /** What each position takes. Position 0 is the start of the text and takes nothing. */
  readonly takes: readonly Characters[]
  /** `edges[from]`: target -> weight. */
  readonly edges: readonly ReadonlyMap<number, number>[]
  /** What is searched by itself at places on the way: lookarounds and what atomic groups hold. */
  readonly inner: readonly Automaton[]
}

/** Ways in or out of a piece of the pattern: position -> how many. */
type Ways = Map<number, number>

/** A piece of the pattern: where its runs begin and end, and in how many ways it takes no character at all. */
interface Piece {
  readonly first: Ways
  readonly last: Ways
  readonly empty: number
}

/**
 * @param searches the pattern may begin anywhere in the text, unless it says where
 * @throws NotAnalyzable
 */
export function buildAutomaton(ast: OnigurumaAst, searches = true): Automaton {
  return new Builder(ast, false).build(ast.body, searches)
}

class Builder {
  readonly #takes: Characters[] = [0n]
  readonly #edges: Ways[] = [new Map()]
  readonly #inner: Automaton[] = []
  /** Positions that stand for a piece that runs in one way whatever its length. */
  readonly #opaque = new Set<number>()
  #anywhere: Piece | undefined
  readonly #ast: OnigurumaAst
  readonly #backward: boolean
  readonly #called: Set<CapturingGroupNode>
  readonly #ignoresCase: boolean
  readonly #dotMatchesLineEnd: boolean

  constructor(ast: OnigurumaAst, backward: boolean, called = new Set<CapturingGroupNode>()) {
    this.#ast = ast
    this.#backward = backward
    this.#called = called
    // A flag that is on somewhere counts everywhere: sets only grow by it.
    this.#ignoresCase = isFlagOn(ast, 'ignoreCase')
    this.#dotMatchesLineEnd = isFlagOn(ast, 'dotAll')
  }

  build(alternatives: readonly AlternativeNode[], searches: boolean): Automaton {
    const start: Piece = { first: new Map(), last: new Map([[0, 1]]), empty: 0 }
    for (const alternative of alternatives) {
      const begin = searches ? this.#begin(alternative, start) : start
      this.#chain([begin, this.#sequence(alternative)])
    }
    return { takes: this.#takes, edges: this.#edges, inner: this.#inner }
  }

  /** Where a search begins with an alternative: what was skipped before is no choice where the pattern says where. */
  #begin(alternative: AlternativeNode, start: Piece): Piece {
    if (beginsWith(alternative, ['string_start', 'search_start'])) return start
    this.#anywhere ??= this.#chain([start, anyTimes(this.#onceOrMore(this.#position(ALL_CHARACTERS)))])
    if (!beginsWith(alternative, ['line_start'])) return this.#anywhere
    const lineStart = this.#chain([this.#anywhere, this.#position(LINE_END)])
    return { ...lineStart, last: new Map([...start.last, ...lineStart.last]) }
  }

  #position(characters: Characters): Piece {
    const at = this.#takes.length
    if (at >= POSITIONS_MAX) throw new NotAnalyzable('it is too large')
    this.#takes.push(this.#ignoresCase ? inBothCases(characters) : characters)
    this.#edges.push(new Map())
    return { first: new Map([[at, 1]]), last: new Map([[at, 1]]), empty: 0 }
  }

  /** A position that takes any number of these characters, at each place in one way. */
  #opaquePosition(characters: Characters, empty: 0 | 1): Piece {
    const at = this.#takes.length
    const piece = this.#position(characters)
    this.#edges[at]?.set(at, 1)
    this.#opaque.add(at)
    return { ...piece, empty }
  }

  #alternatives(alternatives: readonly AlternativeNode[]): Piece {
    const first: Ways = new Map()
    const last: Ways = new Map()
    let empty = 0
    for (const alternative of alternatives) {
      const piece = this.#sequence(alternative)
      addWays(first, piece.first, 1)
      addWays(last, piece.last, 1)
      empty += piece.empty
    }
    return { first, last, empty }
  }

  #sequence({ body }: AlternativeNode): Piece {
    const pieces = body.map((element, index) => this.#wholeWord(element, body[index + 1]) ?? this.#element(element))
    return this.#chain(this.#backward ? pieces.toReversed() : pieces)
  }

  /** `\w+\b` ends where the word ends: there is one way. */
  #wholeWord(element: AlternativeElementNode, next: AlternativeElementNode | undefined): Piece | undefined {
    if (this.#backward || next?.type !== 'Assertion' || next.kind !== 'word_boundary' || next.negate === true) return undefined
    if (element.type !== 'Quantifier' || element.max !== Infinity || element.min === 0) return undefined
    const isWord = element.body.type === 'CharacterClass' && charactersOfClass(element.body) === WORD_CHARACTERS
    return isWord ? this.#opaquePosition(WORD_CHARACTERS, 0) : undefined
  }

  #chain(pieces: readonly Piece[]): Piece {
    let whole = EMPTY
    for (const piece of pieces) {
      this.#link(whole.last, piece.first)
      const first = new Map(whole.first)
      addWays(first, piece.first, whole.empty)
      const last = new Map(piece.last)
      addWays(last, whole.last, piece.empty)
      whole = { first, last, empty: whole.empty * piece.empty }
    }
    return whole
  }

  #link(from: Ways, to: Ways): void {
    for (const [source, out] of from) {
      const edges = this.#edges[source] as Ways
      for (const [target, into] of to) {
        // Coming back to it at once is its going on.
        if (source === target && this.#opaque.has(source)) continue
        edges.set(target, (edges.get(target) ?? 0) + out * into)
      }
    }
  }

  #element(node: AlternativeElementNode): Piece {
    switch (node.type) {
      case 'Character':
        return this.#position(oneCharacter(node.value))
      case 'CharacterClass':
        return this.#position(charactersOfClass(node))
      case 'CharacterSet':
        return this.#set(node)
      case 'CapturingGroup':
        return this.#alternatives(node.body)
      case 'Group':
        return node.atomic === true ? this.#atomic(node.body) : this.#alternatives(node.body)
      case 'Quantifier':
        return this.#quantifier(node)
      case 'LookaroundAssertion':
        this.#inner.push(new Builder(this.#ast, node.kind === 'lookbehind', this.#called).build(node.body, false))
        return EMPTY
      case 'Backreference':
        return this.#opaquePosition(ALL_CHARACTERS, 1)
      case 'Subroutine':
        return this.#subroutine(node)
      case 'Assertion':
      case 'Directive':
        return EMPTY
      case 'AbsenceFunction':
      case 'NamedCallout':
        throw new NotAnalyzable('it holds an absence function or a callout')
    }
  }

  #set(node: CharacterSetNode): Piece {
    const characters = charactersOfSet(node, this.#dotMatchesLineEnd)
    return node.variableLength === true ? this.#opaquePosition(characters, 0) : this.#position(characters)
  }

  /** What is atomic has one outcome at each place, however it was found; finding it costs what it would by itself. */
  #atomic(alternatives: readonly AlternativeNode[]): Piece {
    if (!matchesAnyLength(alternatives)) return this.#alternatives(alternatives)
    const automaton = new Builder(this.#ast, this.#backward, this.#called).build(alternatives, false)
    this.#inner.push(automaton)
    return this.#opaquePosition(
      automaton.takes.reduce((all, some) => all | some, 0n),
      1,
    )
  }

  #quantifier({ kind, min, max, body }: QuantifierNode): Piece {
    if (kind === 'possessive') {
      return this.#atomic([{ type: 'Alternative', body: [{ type: 'Quantifier', kind: 'greedy', min, max, body }] }])
    }
    const isWrittenOut = max <= WRITTEN_OUT_MAX || (min === max && max <= WRITTEN_OUT_EXACTLY_MAX)
    if (!isWrittenOut) {
      const before = Array.from({ length: Math.min(min, WRITTEN_OUT_MAX) - 1 }, () => this.#element(body))
      const loop = this.#onceOrMore(this.#element(body))
      return this.#chain([...before, min === 0 ? anyTimes(loop) : loop])
    }
    let whole = EMPTY
    // `a{1,3}` is `a(?:a(?:a)?)?`, so that each length is one way.
    for (let count = max; count > 0; count--) {
      const through = this.#chain([this.#element(body), whole])
      whole = count > min ? optional(through) : through
    }
    return whole
  }

  #onceOrMore(piece: Piece): Piece {
    this.#link(piece.last, piece.first)
    return piece
  }

  #subroutine({ ref }: SubroutineNode): Piece {
    const group = findGroup(this.#ast, ref)
    if (group === undefined || this.#called.has(group)) throw new NotAnalyzable('it calls itself')
    this.#called.add(group)
    const piece = this.#alternatives(group.body)
    this.#called.delete(group)
    return piece
  }
}

const EMPTY: Piece = { first: new Map(), last: new Map(), empty: 1 }

function optional(piece: Piece): Piece {
  return { ...piece, empty: piece.empty + 1 }
}

function anyTimes(piece: Piece): Piece {
  return { ...piece, empty: 1 }
}

function addWays(ways: Ways, more: Ways, times: number): void {
  if (times === 0) return
  for (const [at, count] of more) ways.set(at, (ways.get(at) ?? 0) + count * times)
}
