import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../src/core/errors.ts'

function findOpenssl(): string | undefined {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return undefined
  } catch (thrown) {
    return `the openssl command is needed to make certificates: ${messageOf(thrown)}`
  }
}

/** Why no certificates can be made here, where they cannot. */
export const missing = findOpenssl()

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']

/** Makes certificates in a folder, each as NAME.crt with NAME.key. */
export class CertificateMaker {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  authority(name: string, common_name: string): void {
    this.#request(name, ['-subj', `/CN=${common_name}`])
  }

  /** @param alternatives subject alternative names as OpenSSL writes them: `DNS:a.example.com,IP:127.0.0.1` */
  issue(name: string, authority: string, subject: string, alternatives?: string): void {
    const names = alternatives === undefined ? [] : ['-addext', `subjectAltName=${alternatives}`]
    this.#request(name, ['-CA', `${authority}.crt`, '-CAkey', `${authority}.key`, '-subj', subject, ...names])
  }

  /** The same key behind a passphrase. */
  lock(key: string, locked: string, passphrase: string): void {
    this.#openssl('ec', '-in', key, '-aes256', '-passout', `pass:${passphrase}`, '-out', locked)
  }

  /** A certificate with its key, for a client. */
  identity(name: string): { readonly cert: Buffer; readonly key: Buffer } {
    return { cert: this.read(`${name}.crt`), key: this.read(`${name}.key`) }
  }

  read(file: string): Buffer {
    return readFileSync(join(this.#folder, file))
  }

  #request(name: string, more: readonly string[]): void {
    this.#openssl('req', '-x509', ...NEW_KEY, ...more, '-keyout', `${name}.key`, '-out', `${name}.crt`)
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'ignore' })
  }
}
