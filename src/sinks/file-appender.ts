import { chmod, type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Daily indices and a few services fit; a process may have 1,024 files open. */
const FILES_OPEN_MAX = 64

export interface AppenderOptions {
  /** Empties a file the first time it is opened. */
  readonly overwrites: boolean
  readonly file_mode: number | undefined
  readonly dir_mode: number | undefined
  readonly fsync: boolean
}

interface OpenFile {
  readonly handle: FileHandle
  readonly device: number
  readonly inode: number
  size_bytes: number
  /** It was found with an unfinished last line: a crash cut a write. The next line begins on a line of its own. */
  ends_torn: boolean
}

/** Appends to files by path, keeping the last used ones open. */
export class FileAppender implements AsyncDisposable {
  readonly #options: AppenderOptions
  /** The least recently used one first. */
  readonly #open = new Map<string, OpenFile>()
  #overwritten = false

  constructor(options: AppenderOptions) {
    this.#options = options
  }

  /** All of the text or, where it throws, nothing of it. With `fsync` it is on the disk then. */
  async append(path: string, text: string): Promise<void> {
    const file = await this.#use(path)
    try {
      const bytes = Buffer.from(file.ends_torn && text.endsWith('\n') ? `\n${text}` : text)
      await file.handle.appendFile(bytes)
      if (this.#options.fsync) await file.handle.datasync()
      file.size_bytes += bytes.length
      file.ends_torn = false
    } catch (thrown) {
      // A half-written line would be glued to the next attempt's first one.
      await file.handle.truncate(file.size_bytes).catch(() => {})
      await this.#close(path)
      throw thrown
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const path of this.#open.keys()) await this.#close(path)
  }

  async #use(path: string): Promise<OpenFile> {
    const present = this.#open.get(path)
    if (present !== undefined) {
      this.#open.delete(path)
      if (await isStillAt(path, present)) {
        this.#open.set(path, present)
        return present
      }
      await present.handle.close()
    }
    for (const oldest of this.#open.keys()) {
      if (this.#open.size < FILES_OPEN_MAX) break
      await this.#close(oldest)
    }
    const file = await this.#openFile(path)
    this.#open.set(path, file)
    return file
  }

  async #openFile(path: string): Promise<OpenFile> {
    await this.#makeFolder(dirname(path))
    const handle = await open(path, this.#options.overwrites && !this.#overwritten ? 'w' : 'a+')
    try {
      this.#overwritten = true
      const { dev, ino, size } = await handle.stat()
      if (size === 0 && this.#options.file_mode !== undefined) await chmod(path, this.#options.file_mode)
      if (size === 0 && this.#options.fsync) await syncFolder(dirname(path))
      return { handle, device: dev, inode: ino, size_bytes: size, ends_torn: size > 0 && !(await endsWithNewline(handle, size)) }
    } catch (thrown) {
      await handle.close()
      throw thrown
    }
  }

  async #makeFolder(folder: string): Promise<void> {
    const { dir_mode, fsync } = this.#options
    const made = await mkdir(folder, dir_mode === undefined ? { recursive: true } : { recursive: true, mode: dir_mode })
    if (made !== undefined && fsync) await syncFolder(dirname(made))
  }

  async #close(path: string): Promise<void> {
    const file = this.#open.get(path)
    this.#open.delete(path)
    await file?.handle.close()
  }
}

/** Whether the path still leads to the open file, and nobody else has changed its size: rotation moves or empties files. */
async function isStillAt(path: string, file: OpenFile): Promise<boolean> {
  return stat(path).then(
    ({ dev, ino, size }) => dev === file.device && ino === file.inode && size === file.size_bytes,
    () => false,
  )
}

async function endsWithNewline(handle: FileHandle, size: number): Promise<boolean> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
  return bytesRead === 1 && buffer[0] === NEWLINE
}

const NEWLINE = 0x0a

/** Makes a new name durable. Windows cannot open a folder; its file system journals names by itself. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  await using handle = await open(folder, 'r')
  await handle.sync()
}
