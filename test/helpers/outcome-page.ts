import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Outcome, Sink, WriteResult } from '../../src/core/contracts.ts'
import type { Event } from '../../src/core/event.ts'
import { NEVER } from './elasticsearch-sink.ts'

// docs/elasticsearch-outcomes.md is the test: each row of its tables is one.
const PAGE = readFileSync(join(import.meta.dirname, '../../docs/elasticsearch-outcomes.md'), 'utf8')

/** The cells of the rows of the table below a heading. */
export function rowsBelow(heading: string): string[][] {
  const section = PAGE.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const [_names, _line, ...rows] = section.split('\n').filter((line) => line.startsWith('|'))
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

interface Judged {
  /** In the words of the page, by position. */
  readonly words: string[]
  /** Where there is one. */
  readonly reasons: (string | undefined)[]
}

/** What becomes of events now, and what the output told with it: `lines` are those of its context. */
export async function judgedBy(sink: Sink, lines: readonly string[], events: readonly Event[]): Promise<Judged> {
  const told = (): boolean => lines.some((line) => /^error elasticsearch_(unauthorized|refuses_requests)/.test(line))
  let result: WriteResult
  try {
    result = await sink.write(events, NEVER)
  } catch (thrown) {
    return {
      words: events.map(() => (told() ? 'again, told' : 'again')),
      reasons: events.map(() => String(thrown)),
    }
  }
  const again = result.overloaded === true ? 'again, slower' : told() ? 'again, told' : 'again'
  const words = {
    stored: 'stored',
    already_there: 'already there',
    park: 'parked',
    retry: again,
    reject: 'dead letter',
    drop: 'dropped',
    consumed: 'consumed',
  }
  return { words: result.outcomes.map(({ kind }) => words[kind]), reasons: result.outcomes.map(reasonOf) }
}

function reasonOf(outcome: Outcome): string | undefined {
  return 'reason' in outcome ? outcome.reason : undefined
}
