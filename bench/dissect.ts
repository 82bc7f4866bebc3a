// Claim: dissect is at least as fast as a native regular expression that is written for the same line by hand.
// One event with a line of a proxy's log in, its fields set, in events per second of CPU.
import { parseFieldRef } from '../src/core/field-ref.ts'
import { type Comparison, compare, type Way } from './harness/compare.ts'
import { eventWay, filterWay } from './harness/filter-way.ts'
import { printTable, type Row } from './harness/table.ts'

const LINES = 20_000
const PATTERN = '%{ip} %{ident} %{user} [%{time}] "%{method} %{path} %{protocol}" %{status} %{bytes} "%{referrer}" "%{agent}"'
const REGEX =
  /^(?<ip>[^ ]*) (?<ident>[^ ]*) (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>[^ ]*) (?<path>[^ ]*) (?<protocol>[^"]*)" (?<status>[^ ]*) (?<bytes>[^ ]*) "(?<referrer>[^"]*)" "(?<agent>[^"]*)"/
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'

/** Compares the regular expression with ours over the same lines. */
async function benchDissect(): Promise<Comparison> {
  const lines = Array.from({ length: LINES }, (_, index) => {
    const bytes = (index * 7_919) % 100_000
    return `10.0.${index % 256}.${index % 251} - anna [01/Mar/2026:08:30:00 +0000] "GET /orders/${index} HTTP/1.1" 200 ${bytes} "https://example.org/" "${AGENT}"`
  })
  return compare(byRegex(lines), await filterWay('dissect', { mapping: { message: PATTERN } }, lines), LINES)
}

function byRegex(lines: readonly string[]): Way {
  const refs = [...PATTERN.matchAll(/%\{(\w+)\}/g)].map(([, name = '']) => parseFieldRef(name))
  return eventWay('native regular expression', lines, (event, message) => {
    const found = REGEX.exec(message)
    if (found === null) return event.tag('_failure')
    for (const [index, ref] of refs.entries()) event.set(ref, found[index + 1] ?? '')
  })
}

const TITLE = 'dissect: a line of 11 fields cut, events in a second of CPU'

function dissectRows({ base, other, ratio }: Comparison): Row[] {
  return [
    { what: base.name, unit: '', figures: base },
    { what: other.name, unit: '', figures: other },
    { what: 'ours to the regular expression', unit: '', digits: 2, figures: ratio, claim: { at_least: 1 } },
  ]
}

printTable(TITLE, dissectRows(await benchDissect()))
