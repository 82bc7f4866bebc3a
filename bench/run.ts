// npm run bench: every claim, each in the same run as what it is compared with, and each bench in a process of its own.
//   npm run bench -- file grok     only these
//   npm run bench -- --rounds 3    so many rounds; --quick one round of little; --full also what takes long
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { join, parse } from 'node:path'
import { POSITIONALS } from './harness/scale.ts'
import type { Verdict } from './harness/table.ts'

/** The whole program first, then its parts; what is not named here comes last. */
const ORDER = [
  'core', 'twenty-filters', 'lumberjack-plain', 'lumberjack-waiting', 'lumberjack', 'kafka', 'file', 'workers', 'start-up', 'linearity',
] // biome-ignore format: a list

const GIGABYTE = 1e9

const all = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== parse(import.meta.filename).base)
  .map((file) => parse(file).name)
const unknown = POSITIONALS.filter((name) => !all.includes(name))
if (unknown.length > 0) throw new TypeError(`expected some of ${all.join(', ')}, got ${unknown.join(', ')}`)
const rank = (name: string): number => ORDER.indexOf(name) + (ORDER.includes(name) ? 0 : ORDER.length + 1)
const chosen = (POSITIONALS.length > 0 ? [...POSITIONALS] : all).toSorted((a, b) => rank(a) - rank(b))

printMachine('Before')
const verdicts: Verdict[] = []
const failed: string[] = []
for (const name of chosen) {
  const flags = process.argv.slice(2).filter((word) => !POSITIONALS.includes(word))
  const child = fork(join(import.meta.dirname, `${name}.ts`), flags)
  child.on('message', (verdict: Verdict) => verdicts.push(verdict))
  // What it told has come when its channel is closed.
  const [[code]] = (await Promise.all([once(child, 'exit'), once(child, 'disconnect')])) as [[number | null], unknown]
  if (code !== 0) failed.push(name)
}
const missed = verdicts.filter(({ holds }) => !holds)
process.stdout.write(`\n${verdicts.length - missed.length} of ${verdicts.length} claims hold.\n`)
for (const { what, claim } of missed) process.stdout.write(`  missed: ${what}: ${claim}\n`)
if (failed.length > 0) process.stdout.write(`Benches that failed: ${failed.join(', ')}\n`)
printMachine('After')
// A claim that does not hold is a figure like others; a bench that fails is a fault.
process.exitCode = failed.length > 0 ? 1 : 0

/** Figures mean nothing without what they were measured on, and what else it did meanwhile. */
function printMachine(when: string): void {
  const [processor] = cpus()
  const load = loadavg().map((one) => one.toFixed(1))
  process.stdout.write(
    `${when}: ${cpus().length} x ${processor?.model ?? 'a processor that does not tell'}, ${Math.round(totalmem() / GIGABYTE)} GB, ` +
      `${process.platform}, Node ${process.version}; load ${load.join(', ')}; ${new Date().toISOString()}\n`,
  )
}
