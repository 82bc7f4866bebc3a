/** Digits in groups that one blank or hyphen parts, long enough for a card. */
const DIGIT_RUN = /(?<![\w-])\d(?:[ -]?\d){12,}(?![\w-])/g
const DIGITS_MIN = 13
const DIGITS_MAX = 19

/** Puts something else in the place of every number of a payment card. */
export function replaceCards(text: string, replacement: () => string): string {
  return text.replace(DIGIT_RUN, (run) => replaceInRun(run, replacement))
}

/** In a run of groups a card may be followed by something else, such as its year of expiry. */
function replaceInRun(run: string, replacement: () => string): string {
  const groups = run.split(/([ -])/)
  let result = ''
  for (let from = 0; from < groups.length; from += 2) {
    const past = endOfCard(groups, from)
    result += past === undefined ? (groups[from] ?? '') : replacement()
    // The next loop starts behind the last group of the card.
    if (past !== undefined) from = past - 2
    result += groups[from + 1] ?? ''
  }
  return result
}

/** The place of the group behind the longest card that begins with this group. */
function endOfCard(groups: readonly string[], from: number): number | undefined {
  let digits = ''
  let past: number | undefined
  for (let at = from; at < groups.length && digits.length <= DIGITS_MAX; at += 2) {
    digits += groups[at] ?? ''
    if (isCard(digits)) past = at + 2
  }
  return past
}

/** Which numbers a scheme issues: the first digits and the lengths (ISO/IEC 7812). */
const ISSUERS: readonly (readonly [beginning: RegExp, lengths: readonly number[]])[] = [
  [/^4/, [13, 16, 19]], // Visa
  [/^(?:5[1-5]|2[2-7])/, [16]], // Mastercard
  [/^3[47]/, [15]], // American Express
  [/^(?:6011|64[4-9]|65)/, [16, 17, 18, 19]], // Discover
  [/^35/, [16, 17, 18, 19]], // JCB
  [/^3(?:0[0-5]|[689])/, [14, 15, 16, 17, 18, 19]], // Diners Club
  [/^62/, [16, 17, 18, 19]], // UnionPay
  [/^(?:5018|5020|5038|5893|6304|6759|676[1-3])/, [13, 14, 15, 16, 17, 18, 19]], // Maestro
]

function isCard(digits: string): boolean {
  if (digits.length < DIGITS_MIN || digits.length > DIGITS_MAX) return false
  return ISSUERS.some(([beginning, lengths]) => lengths.includes(digits.length) && beginning.test(digits)) && passesLuhn(digits)
}

/** Whether the last digit is the check digit that Luhn's sum asks for. */
function passesLuhn(digits: string): boolean {
  let sum = 0
  for (let place = 0; place < digits.length; place++) {
    const digit = digits.charCodeAt(digits.length - 1 - place) - 48
    const doubled = digit * 2 > 9 ? digit * 2 - 9 : digit * 2
    sum += place % 2 === 1 ? doubled : digit
  }
  return sum % 10 === 0
}
