/** More events are not made of one message, for they are in memory all at once: `[{},{},…]` in one line must not become millions. */
export const MESSAGE_EVENTS_MAX = 100_000

/** How many elements a JSON list has that a text holds, as far as `most`; 0 for another text. It need not be sound. */
export function countListElements(text: string, most: number): number {
  const start = text.search(/\S/)
  if (text.charCodeAt(start) !== 0x5b) return 0
  let count = 1
  let depth = 0
  for (let at = start; at < text.length && count <= most; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: // "
        at = endOfString(text, at)
        break
      case 0x5b: // [
      case 0x7b: // {
        depth++
        break
      case 0x5d: // ]
      case 0x7d: // }
        if (--depth === 0) return count
        break
      case 0x2c: // ,
        if (depth === 1) count++
    }
  }
  return count
}

/** Where the quote stands that ends a string. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let escapes = 0
    while (text.charCodeAt(at - 1 - escapes) === 0x5c) escapes++
    if (escapes % 2 === 0) return at
  }
  return text.length
}
