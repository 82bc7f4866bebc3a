// Claim: kv, with quotes and escapes, costs no more than twice the loop with split() that knows neither.
// One event with a firewall's line in, its fields set, in events per second of CPU.
import { parseFieldRef } from '../src/core/field-ref.ts'
import { type Comparison, compare, type Way } from './harness/compare.ts'
import { eventWay, filterWay } from './harness/filter-way.ts'
import { printTable, type Row } from './harness/table.ts'

const LINES = 20_000

/** Compares the loop with ours over the same lines, in which nothing is quoted. */
async function benchKv(): Promise<Comparison> {
  const lines = Array.from({ length: LINES }, (_, index) => {
    const addresses = `SRC=10.0.${index % 256}.${index % 251} DST=192.0.2.${index % 250}`
    return `IN=eth0 OUT=eth1 ${addresses} LEN=60 TOS=0x00 TTL=64 ID=${index} PROTO=TCP SPT=${index + 1024} DPT=443 WINDOW=65535`
  })
  return compare(bySplit(lines), await filterWay('kv', {}, lines), LINES)
}

function bySplit(lines: readonly string[]): Way {
  return eventWay('loop with split()', lines, (event, message) => {
    for (const pair of message.split(' ')) {
      const at = pair.indexOf('=')
      if (at > 0) event.set(parseFieldRef(pair.slice(0, at)), pair.slice(at + 1))
    }
  })
}

const TITLE = 'kv: a line of 12 pairs, events in a second of CPU'

function kvRows({ base, other, ratio }: Comparison): Row[] {
  return [
    { what: base.name, unit: '', figures: base },
    { what: other.name, unit: '', figures: other },
    { what: 'ours to the loop', unit: '', digits: 2, figures: ratio, claim: { at_least: 0.5 } },
  ]
}

printTable(TITLE, kvRows(await benchKv()))
