import { type Exact, type Fields, setMember } from '../values.ts'
import { exactNumber } from './exact-number.ts'
import { endOfString } from './json-string.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const BLANK = 0x20

/** As many digits a double always holds exactly. */
const SAFE_DIGITS = 15

/**
 * Scans the text of an object that JSON.parse has made `fields` of, where it is of the most frequent kind of log line:
 *
 *     {"name":"text","name": 12, ... }      no object or list inside, no blanks but one after a colon or comma
 *
 * Puts back the numbers that lost something, and makes sure that no name comes twice (then there are as many members as
 * fields). `undefined` where the text is of another kind; then nothing was changed. The text is known to be sound JSON,
 * so only its structure is looked at.
 */
export function scanFlatJson(text: string, fields: Fields, decimals: boolean): Exact | undefined {
  if (text.charCodeAt(0) !== OPEN_BRACE) return undefined
  let members = 0
  let numbers: number[] | undefined
  let at = 1
  while (text.charCodeAt(at) === QUOTE) {
    const close = text.indexOf('"', at + 1)
    if (text.charCodeAt(close - 1) === BACKSLASH || text.charCodeAt(close + 1) !== COLON) return undefined
    const start = text.charCodeAt(close + 2) === BLANK ? close + 3 : close + 2
    const code = text.charCodeAt(start)
    let end: number
    if (code === QUOTE) end = endOfString(text, start) + 1
    else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      end = endOfNumber(text, start)
      if (mayNeedText(text, start, end)) (numbers ??= []).push(at, close, start, end)
    } else end = start + lengthOfWord(code)
    members++
    if (text.charCodeAt(end) === COMMA) at = text.charCodeAt(end + 1) === BLANK ? end + 2 : end + 1
    else if (text.charCodeAt(end) === CLOSE_BRACE && end === text.length - 1) at = text.length
    else return undefined
  }
  if (at !== text.length || members !== Object.keys(fields).length) return undefined
  return numbers === undefined ? false : restoreNumbers(text, fields, numbers, decimals)
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1
  for (let code = text.charCodeAt(end); code !== COMMA && code !== CLOSE_BRACE && code > BLANK; code = text.charCodeAt(++end));
  return end
}

/** Of true, null or false. Something else (an object, a list) is no word: then no comma follows where one is expected. */
function lengthOfWord(first: number): number {
  if (first === 0x74 || first === 0x6e) return 4
  return first === 0x66 ? 5 : 0
}

/** Short whole numbers print as they were written; the others are looked at closely. */
function mayNeedText(text: string, start: number, end: number): boolean {
  if (end - start > SAFE_DIGITS) return true
  for (let at = start + 1; at < end; at++) if (text.charCodeAt(at) < 0x30 || text.charCodeAt(at) > 0x39) return true
  return false
}

/** `numbers`: for each where its name opens and closes, and where it begins and ends. */
function restoreNumbers(text: string, fields: Fields, numbers: readonly number[], decimals: boolean): Exact {
  let names: string[] | undefined
  for (let index = 0; index < numbers.length; index += 4) {
    const source = text.slice(numbers[index + 2], numbers[index + 3])
    const value = exactNumber(source, Number(source), decimals)
    if (value === undefined) continue
    const name = nameOf(text.slice((numbers[index] ?? 0) + 1, numbers[index + 1]))
    setMember(fields, name, value)
    if (names === undefined) names = [name]
    else names.push(name)
  }
  return names ?? false
}

function nameOf(raw: string): string {
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw
}
