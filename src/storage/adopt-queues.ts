import { mkdir, readdir, rename, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DurableQueue } from './durable-queue.ts'
import type { ReportDamage } from './segment-reader.ts'

/** A queue is known by it. */
const MARK = 'position.json'
const RECORDS = 1_000
const BYTES = 4 * 1024 * 1024

/**
 * Moves the queues below one folder to the same places below another one, behind what is there already: those of a writer that
 * there is no more to one that there is. A crash meanwhile may leave records in both, and loses none.
 * @param report damage that is found
 * @throws MillraceError STORAGE_CORRUPT, STORAGE_FULL, STORAGE_WRITE_FAILED
 */
export async function adoptQueues(from: string, to: string, report: ReportDamage): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true }).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return []
    throw thrown
  })
  if (entries.some(({ name }) => name === MARK)) return await adoptQueue(from, to, report)
  for (const entry of entries) {
    if (entry.isDirectory()) await adoptQueues(join(from, entry.name), join(to, entry.name), report)
  }
  // What else lies there stays.
  await rmdir(from).catch(() => {})
}

async function adoptQueue(from: string, to: string, report: ReportDamage): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  try {
    // Onto a folder with something in it that fails.
    await rename(from, to)
    return
  } catch (thrown) {
    const { code = '' } = thrown as NodeJS.ErrnoException
    if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(code)) throw thrown
  }
  const options = { max_bytes: Number.MAX_SAFE_INTEGER, report }
  const source = await DurableQueue.open(from, options)
  await using target = await DurableQueue.open(to, source.label === undefined ? options : { ...options, label: source.label })
  for (;;) {
    const records = await source.read(RECORDS, BYTES)
    if (records.length === 0) break
    await target.append(records.map(({ payload }) => payload))
    for (const { sequence } of records) source.done(sequence)
  }
  await source.remove()
}
