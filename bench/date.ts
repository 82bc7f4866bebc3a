// Claim: our Joda formats are read at least five times as fast as luxon reads the same form.
// One time of an access log in, milliseconds out, in times per second of CPU.
import { DateTime } from 'luxon'
import { compileJodaParser } from '../src/core/time/joda-parse.ts'
import { findZone, type Zone } from '../src/core/time/time-zone.ts'
import { type Comparison, compare } from './harness/compare.ts'
import { printTable, type Row } from './harness/table.ts'

const TIMES = 20_000

/** Compares luxon with ours over the same times. */
async function benchDate(): Promise<Comparison> {
  const texts = Array.from({ length: TIMES }, (_, index) => {
    const at = DateTime.fromMillis(Date.UTC(2026, 0, 2) + index * 61_007, { zone: 'Europe/Berlin' })
    return at.toFormat('dd/MMM/yyyy:HH:mm:ss ZZZ', { locale: 'en' })
  })
  const read = compileJodaParser('dd/MMM/yyyy:HH:mm:ss Z')
  const surroundings = { zone: findZone('UTC') as Zone, now_ms: Date.UTC(2026, 0, 2) }
  const ours = (text: string): number => read(text, surroundings)?.epoch_ms ?? Number.NaN
  const luxon = (text: string): number => DateTime.fromFormat(text, 'dd/MMM/yyyy:HH:mm:ss ZZZ', { locale: 'en' }).toMillis()
  for (const text of texts.slice(0, 100)) {
    if (ours(text) !== luxon(text)) throw new TypeError(`${text} is read in two ways`)
  }
  const sum = (one: (text: string) => number) => () => texts.reduce((all, text) => all + one(text), 0)
  return await compare({ name: 'luxon', run: sum(luxon) }, { name: 'our Joda formats', run: sum(ours) }, TIMES)
}

const TITLE = 'date: times of an access log, read in a second of CPU'

function dateRows({ base, other, ratio }: Comparison): Row[] {
  return [
    { what: base.name, unit: '', figures: base },
    { what: other.name, unit: '', figures: other },
    { what: 'ours to luxon', unit: '', digits: 1, figures: ratio, claim: { at_least: 5 } },
  ]
}

printTable(TITLE, dateRows(await benchDate()))
