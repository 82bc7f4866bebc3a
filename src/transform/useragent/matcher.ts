import { type Choice, LITERAL_LENGTH_MIN, requiredLiterals } from './literals.ts'
import type { Rule, RuleSet } from './rules.ts'

/** A name with the four parts of a version, as far as they are known. */
export interface Named {
  readonly name: string
  readonly version: readonly (string | undefined)[]
}

export interface UserAgent {
  readonly browser: Named
  readonly system: Named
  readonly device: string
}

/** What stands behind this many characters is not looked at: no real one is half as long. */
const LENGTH_MAX = 4096

/** Finds out what is known about a user agent's text. */
export class Matcher {
  readonly #browsers: RuleList
  readonly #systems: RuleList
  readonly #devices: RuleList

  constructor(rules: RuleSet) {
    this.#browsers = new RuleList(rules.user_agents)
    this.#systems = new RuleList(rules.systems)
    this.#devices = new RuleList(rules.devices)
  }

  match(text: string): UserAgent {
    const looked_at = text.slice(0, LENGTH_MAX)
    const lower = looked_at.toLowerCase()
    return {
      browser: this.#browsers.first(looked_at, lower, nameOf) ?? OTHER,
      system: this.#systems.first(looked_at, lower, nameOf) ?? OTHER,
      device: this.#devices.first(looked_at, lower, deviceOf) ?? OTHER.name,
    }
  }
}

const OTHER: Named = { name: 'Other', version: [] }

/**
 * Rules of which the first one that matches counts. Most can be left out unseen: a rule is only tried on a text that
 * holds one of the literals that it cannot match without.
 */
class RuleList {
  readonly #rules: readonly Rule[]
  readonly #regexes: (RegExp | undefined)[]
  /** Rules without such literals. */
  readonly #always: readonly number[]
  /** Literals with the rules that need them, by a number made of their first letters. */
  readonly #by_beginning: ({ readonly literal: string; readonly rule: number }[] | undefined)[] = Array.from({
    length: BEGINNINGS,
  })
  readonly #scratch: { readonly candidates: Int32Array; readonly isCandidate: Uint8Array }

  constructor(rules: readonly Rule[]) {
    this.#rules = rules
    this.#scratch = { candidates: new Int32Array(rules.length), isCandidate: new Uint8Array(rules.length) }
    this.#regexes = Array.from({ length: rules.length })
    const required = rules.map(([regex]) => requiredLiterals(regex))
    const demand = countDemand(required)
    const always: number[] = []
    for (const [rule, choices] of required.entries()) {
      const rarest = rarestOf(choices, demand)
      if (rarest === undefined) always.push(rule)
      for (const literal of rarest ?? []) this.#index(literal, rule)
    }
    this.#always = always
  }

  #index(literal: string, rule: number): void {
    const beginning = beginningAt(literal, 0)
    const entries = (this.#by_beginning[beginning] ??= [])
    entries.push({ literal, rule })
  }

  /** What `take` makes of the first rule that matches; a rule that it makes nothing of does not count. */
  first<T>(text: string, lower: string, take: (found: RegExpExecArray, rule: Rule) => T | undefined): T | undefined {
    for (const rule of this.#candidates(lower)) {
      const spec = this.#rules[rule]
      if (spec === undefined) continue
      const regex = (this.#regexes[rule] ??= new RegExp(spec[0], spec[1]))
      const found = regex.exec(text)
      const taken = found === null ? undefined : take(found, spec)
      if (taken !== undefined) return taken
    }
    return undefined
  }

  /** Good until the next call. */
  #candidates(lower: string): Int32Array {
    const { candidates, isCandidate } = this.#scratch
    let count = 0
    const add = (rule: number): void => {
      if (isCandidate[rule] === 1) return
      isCandidate[rule] = 1
      candidates[count++] = rule
    }
    for (const rule of this.#always) add(rule)
    for (let at = 0; at + LITERAL_LENGTH_MIN <= lower.length; at++) {
      const entries = this.#by_beginning[beginningAt(lower, at)]
      if (entries === undefined) continue
      for (const { literal, rule } of entries) if (lower.startsWith(literal, at)) add(rule)
    }
    const found = candidates.subarray(0, count).sort()
    for (const rule of found) isCandidate[rule] = 0
    return found
  }
}

/** How many rules ask for a literal: what many ask for (`applewebkit`) is in most texts. */
function countDemand(required: readonly (readonly Choice[])[]): ReadonlyMap<string, number> {
  const demand = new Map<string, number>()
  for (const literal of required.flat(2)) demand.set(literal, (demand.get(literal) ?? 0) + 1)
  return demand
}

function rarestOf(choices: readonly Choice[], demand: ReadonlyMap<string, number>): Choice | undefined {
  const total = (choice: Choice): number => choice.reduce((sum, literal) => sum + (demand.get(literal) ?? 0), 0)
  return choices.toSorted((a, b) => total(a) - total(b))[0]
}

/** Few enough to stay in the processor's cache, and enough that most places of a text hit an empty one. */
const BEGINNINGS = 16_384

/** The first LITERAL_LENGTH_MIN letters as a number. Letters that share one only cost a comparison. */
function beginningAt(text: string, at: number): number {
  return (text.charCodeAt(at) * 961 + text.charCodeAt(at + 1) * 31 + text.charCodeAt(at + 2)) % BEGINNINGS
}

/** The first group is the name and the next ones the parts of the version, each unless the rule has something in its place. */
function nameOf(found: RegExpExecArray, [, , name, ...version]: Rule): Named | undefined {
  const named = name === undefined || name === null ? found[1] : fill(name, found)
  if (named === undefined) return undefined
  const parts = [0, 1, 2, 3].map((part) => {
    const replacement = version[part]
    return replacement === undefined || replacement === null ? found[part + 2] : fill(replacement, found)
  })
  return { name: named, version: parts }
}

function deviceOf(found: RegExpExecArray, [, , device]: Rule): string | undefined {
  return device === undefined || device === null ? found[1] : fill(device, found).trim()
}

function fill(replacement: string, found: RegExpExecArray): string {
  return replacement.includes('$')
    ? replacement.replace(/\$(\d)/g, (_, group: string) => found[Number(group)] ?? '')
    : replacement
}
