import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { findFiles } from '../config/find-files.ts'

interface State {
  /** By name, size, inode and times: cheap to look at. */
  readonly look: string
  /** Of all content. */
  readonly hash: string
  /** When the last of them was written or put there. */
  readonly changed_ms: number
}

/**
 * Finds out whose content has changed, by looking again and again: notices of the system do not come for mounted volumes, nor for
 * Kubernetes, which swaps a symbolic link. What only was touched has not changed.
 */
export class SourceFiles {
  readonly #states = new Map<string, State>()

  /**
   * Of these files, folders and patterns those that are another than when they were last asked for. New ones are not, unless they were
   * written after `since_ms`.
   */
  async changed(paths: Iterable<string>, since_ms = Number.POSITIVE_INFINITY): Promise<Set<string>> {
    const changed = new Set<string>()
    const wanted = new Set(paths)
    for (const path of wanted) {
      const before = this.#states.get(path)
      const now = await stateOf(path, before)
      this.#states.set(path, now)
      if (before === undefined ? now.changed_ms > since_ms : before.hash !== now.hash) changed.add(path)
    }
    for (const path of this.#states.keys()) if (!wanted.has(path)) this.#states.delete(path)
    return changed
  }
}

async function stateOf(path: string, before: State | undefined): Promise<State> {
  const { files } = await findFiles(path)
  const looks = await Promise.all(files.map(lookAt))
  const look = looks.map(({ text }) => text).join('\n')
  if (look === before?.look) return before
  const hash = createHash('sha256')
  for (const file of files) {
    // One that went away meanwhile is as good as none.
    hash.update(`${file}\n`).update(await readFile(file).catch(() => ''))
  }
  return { look, hash: hash.digest('hex'), changed_ms: Math.max(0, ...looks.map(({ changed_ms }) => changed_ms)) }
}

async function lookAt(file: string): Promise<{ readonly text: string; readonly changed_ms: number }> {
  const found = await stat(file, { bigint: true }).catch(() => undefined)
  return {
    text: `${file} ${found?.dev} ${found?.ino} ${found?.size} ${found?.mtimeNs} ${found?.ctimeNs}`,
    changed_ms: Number(found?.ctimeMs ?? 0),
  }
}
