import { rm } from 'node:fs/promises'
import type { ReplayMarks } from './replay-marks.ts'
import { listSegments, openListed } from './segment-reader.ts'

/**
 * Removes the segments of a folder all of whose letters are done; the newest one stays, for the program may be writing to it.
 * Returns how many it removed.
 */
export async function removeDoneSegments(folder: string, marks: ReplayMarks): Promise<number> {
  const segments = await listSegments(folder)
  let removed = 0
  for (const [index, { path, first_sequence }] of segments.entries()) {
    const following = segments[index + 1]
    if (following === undefined || !marks.hasDone(first_sequence, following.first_sequence - 1n)) continue
    if (!(await isDone(path, marks))) continue
    await rm(path, { force: true })
    removed++
  }
  return removed
}

/** Whether every letter of a file is done. One that is damaged never is: a person may want to look at it. */
export async function isDone(path: string, marks: ReplayMarks): Promise<boolean> {
  await using reader = await openListed(path)
  if (reader === undefined) return false
  try {
    for await (const { sequence } of reader.records()) if (!marks.isDone(sequence)) return false
  } catch {
    return false
  }
  return reader.torn_bytes === 0
}

/** How many letters of a file are not done. */
export async function countWaiting(path: string, marks: ReplayMarks): Promise<number> {
  await using reader = await openListed(path)
  let count = 0
  try {
    for await (const { sequence } of reader?.records() ?? []) if (!marks.isDone(sequence)) count++
  } catch {
    // No segment of ours: what it holds is not counted.
  }
  return count
}
