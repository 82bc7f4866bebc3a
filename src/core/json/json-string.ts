const BACKSLASH = 0x5c

/** The index of the quote that closes the string opened at `open`, or -1. */
export function endOfString(text: string, open: number): number {
  let close = text.indexOf('"', open + 1)
  while (close > 0 && text.charCodeAt(close - 1) === BACKSLASH) {
    let backslashes = 1
    while (text.charCodeAt(close - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) break
    close = text.indexOf('"', close + 1)
  }
  return close
}
