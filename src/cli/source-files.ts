import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { findFiles } from '../config/find-files.ts'

interface State {
  /** By name, size, inode and times: cheap to look at. */
  readonly look: string
  /** Of all content. */
  readonly hash: string
}

/**
 * Finds out whose content has changed, by looking again and again: notices of the system do not come for mounted volumes, nor for
 * Kubernetes, which swaps a symbolic link. What only was touched has not changed.
 */
export class SourceFiles {
  readonly #states = new Map<string, State>()

  /** Of these files, folders and patterns those that are another than when they were last asked for. New ones are not. */
  async changed(paths: Iterable<string>): Promise<Set<string>> {
    const changed = new Set<string>()
    const wanted = new Set(paths)
    for (const path of wanted) {
      const before = this.#states.get(path)
      const now = await stateOf(path, before)
      this.#states.set(path, now)
      if (before !== undefined && before.hash !== now.hash) changed.add(path)
    }
    for (const path of this.#states.keys()) if (!wanted.has(path)) this.#states.delete(path)
    return changed
  }
}

async function stateOf(path: string, before: State | undefined): Promise<State> {
  const { files } = await findFiles(path)
  const looks = await Promise.all(files.map(lookAt))
  const look = looks.join('\n')
  if (look === before?.look) return before
  const hash = createHash('sha256')
  for (const file of files) {
    // One that went away meanwhile is as good as none.
    hash.update(`${file}\n`).update(await readFile(file).catch(() => ''))
  }
  return { look, hash: hash.digest('hex') }
}

async function lookAt(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch(() => undefined)
  return `${file} ${found?.dev} ${found?.ino} ${found?.size} ${found?.mtimeNs} ${found?.ctimeNs}`
}
