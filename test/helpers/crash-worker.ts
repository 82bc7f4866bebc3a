// Loaded into every thread of the program by `--import`. The file CRASH_WORKER says which worker something happens to, and what:
// `1` it ends with an error, `1 silently` without a last word, `1 cannot listen` it fails at the next address that it is to have,
// `1 dies listening` it ends there, `1 without PATH` that file is gone when it starts.
import { readFileSync, rmSync } from 'node:fs'
import { Server } from 'node:net'
import { isMainThread, workerData } from 'node:worker_threads'

const LOOK_MS = 20

const file = process.env['CRASH_WORKER'] ?? ''
const { index } = (workerData ?? {}) as { readonly index?: number }

/** What is to happen to this worker: nothing where it is `undefined`. */
function wanted(): string | undefined {
  try {
    // Between its making and its writing the file is empty.
    const [worker, ...what] = readFileSync(file, 'utf8').split(' ')
    return worker === String(index) ? what.join(' ') : undefined
  } catch {
    return undefined
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
  // oxlint-disable-next-line typescript/unbound-method -- called on its server below
  const { emit } = Server.prototype
  Server.prototype.emit = function fragile(this: Server, event: string, ...rest: unknown[]): boolean {
    const what = event === 'listening' ? wanted() : undefined
    if (what !== 'cannot listen' && what !== 'dies listening') return Reflect.apply(emit, this, [event, ...rest])
    rmSync(file)
    if (what === 'dies listening') process.exit(1)
    throw new Error('the test wants it deaf')
  }
  const lost = /^without (.*)/.exec(wanted() ?? '')?.[1]
  if (lost !== undefined) rmSync(lost)
  setInterval(() => {
    const what = wanted()
    if (what !== '' && what !== 'silently') return
    rmSync(file)
    if (what === 'silently') process.exit(1)
    throw new Error('the test wants it so')
  }, LOOK_MS).unref()
}
