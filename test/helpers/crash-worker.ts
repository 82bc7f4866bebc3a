// Loaded into every thread of the program by `--import`: the worker whose number stands in the file CRASH_WORKER ends with an error.
import { readFileSync, rmSync } from 'node:fs'
import { isMainThread, workerData } from 'node:worker_threads'

const LOOK_MS = 20

const file = process.env['CRASH_WORKER'] ?? ''
const { index } = (workerData ?? {}) as { readonly index?: number }

function isMeant(): boolean {
  try {
    return Number(readFileSync(file, 'utf8')) === index
  } catch {
    return false
  }
}

if (!isMainThread) {
  // A word that a filter cannot bear: `uppercase` of it ends the worker at once, as a full heap does.
  const toUpperCase = String.prototype.toUpperCase
  String.prototype.toUpperCase = function poisoned(this: string): string {
    if (String(this) === 'poison') process.exit(1)
    return toUpperCase.call(this)
  }
  setInterval(() => {
    if (!isMeant()) return
    rmSync(file)
    throw new Error('the test wants it so')
  }, LOOK_MS).unref()
}
