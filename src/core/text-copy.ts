/** A text of its own: a slice, which is what scanned lines, grok and dissect give, would keep the whole line alive. */
export function copyOf(text: string): string {
  return Buffer.from(text).toString()
}
