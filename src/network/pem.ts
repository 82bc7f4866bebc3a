import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { MillraceError, messageOf } from '../core/errors.ts'

/** Which code a refusal has: an input or an output cannot start. */
export type StartCode = 'INPUT_CANNOT_START' | 'OUTPUT_CANNOT_START'

const PROTOCOLS = ['TLSv1.2', 'TLSv1.3'] as const
export type Protocol = (typeof PROTOCOLS)[number]

/** Reads the files that TLS options name. */
export class TlsFiles {
  /** The contents of all that was read, by path. */
  readonly contents = new Map<string, Buffer>()
  readonly #folder: string
  readonly #code: StartCode

  /** @param folder where relative paths start */
  constructor(folder: string, code: StartCode) {
    this.#folder = folder
    this.#code = code
  }

  refuse(message: string, cause?: unknown): MillraceError {
    return new MillraceError(this.#code, message, { cause })
  }

  /** @throws MillraceError where the file of that option cannot be read */
  read(option: string, file: string): Buffer {
    try {
      const path = resolve(this.#folder, file)
      const bytes = readFileSync(path)
      this.contents.set(path, bytes)
      return bytes
    } catch (thrown) {
      throw this.refuse(`${option} can not be read: ${messageOf(thrown)}`, thrown)
    }
  }

  /**
   * A file of certificates.
   * @throws MillraceError for Java's and PKCS #12 files, which Node cannot read for that
   */
  readAuthorities(option: string, file: string): Buffer {
    const bytes = this.read(option, file)
    if (bytes.includes('-----BEGIN ')) return bytes
    throw this.refuse(
      `${option}: expected certificates in PEM, ${file} is ${isJks(bytes) ? 'a Java keystore' : 'something else'}: write them as PEM with keytool -exportcert -rfc -keystore FILE -alias ALIAS`,
    )
  }

  /**
   * A keystore with certificate and key in PKCS #12.
   * @throws MillraceError for a Java keystore
   */
  readKeystore(option: string, file: string): Buffer {
    const bytes = this.read(option, file)
    if (!isJks(bytes)) return bytes
    throw this.refuse(
      `${option}: Java keystores are not read: convert it with keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12`,
    )
  }

  /**
   * The oldest and the newest version to speak; none given means both.
   * @throws MillraceError for versions that are too old or unknown
   */
  readProtocols(option: string, given: readonly string[]): { readonly minVersion: Protocol; readonly maxVersion: Protocol } {
    const unknown = given.find((protocol) => !PROTOCOLS.some((known) => known === protocol))
    if (unknown !== undefined) throw this.refuse(`${option} takes ${PROTOCOLS.join(' and ')}, got ${unknown}`)
    const chosen = PROTOCOLS.filter((protocol) => given.length === 0 || given.includes(protocol))
    return { minVersion: chosen[0] ?? 'TLSv1.2', maxVersion: chosen.at(-1) ?? 'TLSv1.3' }
  }
}

/** A Java keystore starts with FE ED FE ED. */
function isJks(bytes: Buffer): boolean {
  return bytes.length >= 4 && bytes.readUInt32BE(0) === 0xfeedfeed
}
