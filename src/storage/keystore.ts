import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'
import { chmod, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MillraceError, messageOf } from '../core/errors.ts'
import { makeFolder, syncFolder, writeError } from './durable.ts'

/**
 * The file of a keystore, JSON:
 *
 *     { "format": 1, "salt": base64, "nonce": base64, "tag": base64, "secrets": base64 }
 *
 * `secrets` is the JSON object of names and values, AES-256-GCM, under scrypt of the password (N 2^15, r 8, p 1). Nonce and salt
 * are new with each writing. Without a password the file only hides what it holds from a glance: its permissions protect it.
 */
interface KeystoreFile {
  readonly format: 1
  readonly salt: string
  readonly nonce: string
  readonly tag: string
  readonly secrets: string
}

const SCRYPT = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 }
const KEY_BYTES = 32
const SALT_BYTES = 16
const NONCE_BYTES = 12
/** A larger file is none of ours. */
const FILE_BYTES_MAX = 16 * 1024 * 1024
const NAME = /^[a-zA-Z_.][a-zA-Z0-9_.]*$/

/** Names and secret values, kept in one encrypted file, for `${NAME}` in configs. */
export class Keystore {
  readonly #path: string
  readonly #password: string
  readonly #secrets: Map<string, string>

  private constructor(path: string, password: string, secrets: ReadonlyMap<string, string>) {
    this.#path = path
    this.#password = password
    this.#secrets = new Map(secrets)
  }

  /** A new and empty one, in memory until `save`. */
  static create(path: string, password: string): Keystore {
    return new Keystore(path, password, new Map())
  }

  /**
   * Opens the keystore of that path; `undefined` where there is none.
   * @throws MillraceError KEYSTORE_UNREADABLE for a wrong password, a damaged file or one that is none
   */
  static async open(path: string, password: string): Promise<Keystore | undefined> {
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw unreadable(path, messageOf(thrown), thrown)
    }
    const file = parseFile(path, text)
    const key = await deriveKey(password, Buffer.from(file.salt, 'base64'))
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(file.nonce, 'base64'))
      decipher.setAuthTag(Buffer.from(file.tag, 'base64'))
      const plain = Buffer.concat([decipher.update(Buffer.from(file.secrets, 'base64')), decipher.final()])
      const secrets = Object.entries(JSON.parse(plain.toString()) as { [name: string]: string })
      return new Keystore(path, password, new Map(secrets))
    } catch (thrown) {
      throw unreadable(path, 'the password is wrong, or the file is damaged', thrown)
    }
  }

  /** In the order of the alphabet. */
  get names(): string[] {
    return [...this.#secrets.keys()].sort()
  }

  get(name: string): string | undefined {
    return this.#secrets.get(name)
  }

  /** @throws MillraceError KEYSTORE_NAME_INVALID for a name that no `${NAME}` could ask for */
  set(name: string, value: string): void {
    if (!NAME.test(name)) {
      throw new MillraceError('KEYSTORE_NAME_INVALID', `expected a name of letters, digits, _ and ., got ${JSON.stringify(name)}`)
    }
    this.#secrets.set(name, value)
  }

  /** Whether it was there. */
  remove(name: string): boolean {
    return this.#secrets.delete(name)
  }

  /**
   * Writes the file whole and readable by its owner only, in the place of the old one.
   * @throws MillraceError STORAGE_FULL, STORAGE_WRITE_FAILED
   */
  async save(): Promise<void> {
    const salt = randomBytes(SALT_BYTES)
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', await deriveKey(this.#password, salt), nonce)
    const plain = JSON.stringify(Object.fromEntries(this.#secrets))
    const secrets = Buffer.concat([cipher.update(plain), cipher.final()])
    const file: KeystoreFile = {
      format: 1,
      salt: salt.toString('base64'),
      nonce: nonce.toString('base64'),
      tag: cipher.getAuthTag().toString('base64'),
      secrets: secrets.toString('base64'),
    }
    await this.#replaceFile(`${JSON.stringify(file)}\n`)
  }

  async #replaceFile(text: string): Promise<void> {
    const folder = dirname(this.#path)
    const path = `${this.#path}.new`
    try {
      await makeFolder(folder)
      {
        await using handle = await open(path, 'w', 0o600)
        await handle.writeFile(text)
        await handle.sync()
      }
      await chmod(path, 0o600)
      await rename(path, this.#path)
      await syncFolder(folder)
    } catch (thrown) {
      throw writeError(this.#path, thrown)
    }
  }
}

function parseFile(path: string, text: string): KeystoreFile {
  if (text.length > FILE_BYTES_MAX) throw unreadable(path, `it is larger than ${FILE_BYTES_MAX} bytes`)
  let file: Partial<KeystoreFile> | null
  try {
    file = JSON.parse(text) as Partial<KeystoreFile> | null
  } catch (thrown) {
    throw unreadable(
      path,
      'it is no keystore of Millrace (those of Logstash are read by Logstash only: add the values again)',
      thrown,
    )
  }
  const { format, salt, nonce, tag, secrets } = file ?? {}
  if (format !== 1 || [salt, nonce, tag, secrets].some((part) => typeof part !== 'string')) {
    throw unreadable(path, 'it is no keystore of this version of Millrace')
  }
  return file as KeystoreFile
}

async function deriveKey(password: string, salt: Buffer): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  scrypt(password, salt, KEY_BYTES, SCRYPT, (error, key) => (error === null ? resolve(key) : reject(error)))
  return await promise
}

function unreadable(path: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError('KEYSTORE_UNREADABLE', `cannot read the keystore ${path}: ${why}`, { cause })
}
