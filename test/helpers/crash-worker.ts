// Loaded into every thread of the program by `--import`: the worker whose number stands in the file CRASH_WORKER ends with an error.
import { readFileSync, rmSync } from 'node:fs'
import { isMainThread, workerData } from 'node:worker_threads'

const LOOK_MS = 20

const file = process.env['CRASH_WORKER'] ?? ''
const { index } = (workerData ?? {}) as { readonly index?: number }

function isMeant(): boolean {
  try {
    // Between its making and its writing the file is empty.
    return readFileSync(file, 'utf8') === String(index)
  } catch {
    return false
  }
}

if (!isMainThread) {
  // A word that a filter cannot bear: `uppercase` of it ends the worker at once, as a full heap does.
  // oxlint-disable-next-line typescript/unbound-method -- called on its text below
  const { toUpperCase } = String.prototype
  // oxlint-disable-next-line eslint/no-extend-native -- filters are to call it
  String.prototype.toUpperCase = function poisoned(this: string): string {
    const text = toUpperCase.call(this)
    if (text === 'POISON') process.exit(1)
    return text
  }
  setInterval(() => {
    if (!isMeant()) return
    rmSync(file)
    throw new Error('the test wants it so')
  }, LOOK_MS).unref()
}
