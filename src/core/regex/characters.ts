import type { CharacterClassElementNode, CharacterClassNode, CharacterSetNode } from 'oniguruma-parser/parser'

/**
 * A set of characters as the cost analysis sees them: a bit for each of ASCII and one for all others together. Sets may
 * hold more than the pattern says, never less: then costs are taken for higher than they are, never for lower.
 */
export type Characters = bigint

const ASCII_COUNT = 128
const OTHERS: Characters = 1n << BigInt(ASCII_COUNT)
const ASCII: Characters = OTHERS - 1n
export const ALL_CHARACTERS: Characters = ASCII | OTHERS
export const LINE_END: Characters = oneCharacter(10)

export function oneCharacter(code: number): Characters {
  return code < ASCII_COUNT ? 1n << BigInt(code) : OTHERS
}

/** One character of the set, for people; printable ones first. */
export function sampleOf(characters: Characters): string {
  const order = Array.from('a0 .,;:-_/="', (char) => char.charCodeAt(0))
  for (let code = 33; code < ASCII_COUNT; code++) order.push(code)
  const code = order.find((candidate) => (characters & oneCharacter(candidate)) !== 0n)
  if (code !== undefined) return String.fromCharCode(code)
  return (characters & LINE_END) !== 0n ? '\n' : (characters & OTHERS) !== 0n ? 'é' : '\t'
}

/** The set together with the other case of its letters. */
export function inBothCases(characters: Characters): Characters {
  let both = characters
  for (let upper = 65; upper <= 90; upper++) {
    const pair = oneCharacter(upper) | oneCharacter(upper + 32)
    if ((characters & pair) !== 0n) both |= pair
  }
  // The Kelvin sign is a K, the long s an S.
  if ((both & (oneCharacter(107) | oneCharacter(115))) !== 0n) both |= OTHERS
  return (both & OTHERS) !== 0n ? both | oneCharacter(107) | oneCharacter(115) : both
}

/** Of a set outside brackets (`.`, `\s`, `\p{Alpha}`). */
export function charactersOfSet(node: CharacterSetNode, dotMatchesLineEnd: boolean): Characters {
  if (node.kind === 'dot') return dotMatchesLineEnd ? ALL_CHARACTERS : ALL_CHARACTERS & ~LINE_END
  return exactSet(node) ?? ALL_CHARACTERS
}

/** Of a bracket expression. One that holds what is not known to the letter (`\p{…}`) counts as all characters. */
export function charactersOfClass(node: CharacterClassNode): Characters {
  return exactClass(node) ?? ALL_CHARACTERS
}

function exactClass(node: CharacterClassNode): Characters | undefined {
  let characters: Characters | undefined
  for (const element of node.body) {
    const part = exactElement(element)
    if (part === undefined) return undefined
    if (characters === undefined) characters = part
    else characters = node.kind === 'intersection' ? characters & part : characters | part
  }
  return node.negate ? complement(characters ?? 0n) : (characters ?? 0n)
}

/** Of the others some are always outside: the bit stays. */
function complement(characters: Characters): Characters {
  return (ASCII & ~characters) | OTHERS
}

function exactElement(element: CharacterClassElementNode): Characters | undefined {
  switch (element.type) {
    case 'Character':
      return oneCharacter(element.value)
    case 'CharacterClassRange':
      return rangeOf(element.min.value, element.max.value)
    case 'CharacterClass':
      return exactClass(element)
    case 'CharacterSet':
      return exactSet(element)
  }
}

function rangeOf(first: number, last: number): Characters {
  let characters = last >= ASCII_COUNT ? OTHERS : 0n
  for (let code = first; code <= Math.min(last, ASCII_COUNT - 1); code++) characters |= oneCharacter(code)
  return characters
}

function exactSet(node: CharacterSetNode): Characters | undefined {
  const members = node.kind === 'posix' ? POSIX[node.value] : SHORTHANDS[node.kind]
  if (members === undefined) return undefined
  return node.negate === true ? complement(members & ASCII) : members
}

function asciiOf(pattern: RegExp): Characters {
  let characters = 0n
  for (let code = 0; code < ASCII_COUNT; code++) if (pattern.test(String.fromCharCode(code))) characters |= oneCharacter(code)
  return characters
}

/** Of Ruby's `\w`, which is ASCII. */
export const WORD_CHARACTERS: Characters = asciiOf(/\w/)

const SHORTHANDS: { readonly [kind: string]: Characters } = {
  digit: asciiOf(/\d/) | OTHERS,
  hex: asciiOf(/[\da-f]/i),
  newline: asciiOf(/[\n\v\f\r]/) | OTHERS,
  space: asciiOf(/\s/) | OTHERS,
  word: asciiOf(/\w/) | OTHERS,
}

/** All of them know Unicode but `ascii` and `xdigit`. */
const POSIX: { readonly [name: string]: Characters } = {
  alnum: asciiOf(/[^\W_]/) | OTHERS,
  alpha: asciiOf(/[a-z]/i) | OTHERS,
  ascii: ASCII,
  blank: asciiOf(/[ \t]/) | OTHERS,
  cntrl: asciiOf(/[^ -~]/) | OTHERS,
  digit: asciiOf(/\d/) | OTHERS,
  graph: asciiOf(/[!-~]/) | OTHERS,
  lower: asciiOf(/[a-z]/) | OTHERS,
  print: asciiOf(/[ -~]/) | OTHERS,
  punct: asciiOf(/[!-/:-@[-`{-~]/) | OTHERS,
  space: asciiOf(/\s/) | OTHERS,
  upper: asciiOf(/[A-Z]/) | OTHERS,
  word: asciiOf(/\w/) | OTHERS,
  xdigit: asciiOf(/[\da-f]/i),
}
