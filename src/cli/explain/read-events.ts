import type { Event } from '../../core/event.ts'
import type { DryRun } from '../dry-run/dry-run.ts'

/** More than a person tries at once; the rest is for `run`. */
const TEXT_BYTES_MAX = 64 * 1024 * 1024

/** What a person gave is neither JSON objects nor could be read as lines. */
export class EventsUnreadable extends Error {}

/**
 * Events of a text: JSON objects, one after the other or in a list, pretty or not; or, where `as_lines` is asked for or the
 * text is no JSON, lines that go through the codec of the input, as if they arrived there.
 * @throws EventsUnreadable
 */
export function readEvents(
  text: string,
  run: DryRun,
  { as_lines, input }: { as_lines: boolean; input?: string | undefined },
): Event[] {
  const objects = as_lines ? undefined : splitObjects(text)
  const events = objects?.map((json) => run.eventOf(json, input))
  if (events?.every((event) => event !== undefined)) return events
  const lines = text.split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return run.decode(lines, input)
}

/** The texts of JSON objects that follow each other, or stand in one list; `undefined` where it is something else. */
function splitObjects(text: string): string[] | undefined {
  const objects: string[] = []
  let at = /^[\s\uFEFF]*\[?/.exec(text)?.[0].length ?? 0
  for (;;) {
    at += /^[\s,]*/.exec(text.slice(at, at + 4096))?.[0].length ?? 0
    if (text[at] !== '{') break
    const end = endOfObject(text, at)
    if (end === undefined) return undefined
    objects.push(text.slice(at, end))
    at = end
  }
  return objects.length > 0 && /^[\s\]]*$/.test(text.slice(at)) && objects.every(isJson) ? objects : undefined
}

/** Behind the brace that closes the object. */
function endOfObject(text: string, start: number): number | undefined {
  let depth = 0
  const tokens = /"(?:[^"\\]|\\.)*"|[{}]/gs
  tokens.lastIndex = start
  for (let found = tokens.exec(text); found !== null; found = tokens.exec(text)) {
    if (found[0] === '{') depth++
    if (found[0] === '}' && --depth === 0) return tokens.lastIndex
  }
  return undefined
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/**
 * The whole of a stream as text.
 * @throws EventsUnreadable for more than 64 MiB
 */
export async function readText(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of stream) {
    const buffer = Buffer.from(piece)
    bytes += buffer.length
    if (bytes > TEXT_BYTES_MAX) throw new EventsUnreadable('expected at most 64 MiB of events')
    pieces.push(buffer)
  }
  return Buffer.concat(pieces).toString('utf8')
}
