import { stat } from 'node:fs/promises'
import type { SecureContextOptions, Server, TlsOptions } from 'node:tls'
import type { Context, Counter } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import { showExpiry } from './certificate-expiry.ts'

const INTERVAL_MS = 3_000

/** TLS settings with the files that they name, as they were read. */
export interface TlsReading<Options extends SecureContextOptions> {
  /** What Node needs. */
  readonly options: Options
  /** What was read, by path. */
  readonly contents: ReadonlyMap<string, Buffer>
  /**
   * The same from what the files hold now.
   * @throws MillraceError as the first time
   */
  read(): TlsReading<Options>
}

/** What a component tells of its certificates, and where. */
export type CertificateContext = Pick<Context, 'id' | 'where' | 'log' | 'metrics'>

/**
 * The certificates of a component, that are read again when their files change. Connections that are open stay as they are, those
 * that come are made with the new ones; files that cannot be used leave the old ones in use. Shows when those in use expire.
 */
export class Certificates<Options extends SecureContextOptions> {
  readonly #context: CertificateContext
  #current: TlsReading<Options>

  constructor(first: TlsReading<Options>, context: CertificateContext) {
    this.#context = context
    this.#current = first
    showExpiry(
      () => this.#current.contents,
      context,
      () => this.#current.options.passphrase,
    )
  }

  /** For a connection that is made now. */
  get options(): Options {
    return this.#current.options
  }

  /**
   * Looks after the files until it is disposed of. They are looked at, not listened to: a mounted volume gives no notice, and
   * Kubernetes swaps a symbolic link.
   * @param name of the component, for messages
   * @param use is told what new connections are to be made with, where it does not ask for `options` each time
   */
  follow(name: string, use: (options: Options) => void = () => {}): Disposable {
    const { log, where } = this.#context
    const [used, refused] = [this.#count('used'), this.#count('refused')]
    let seen = ''
    let failed = ''
    let failures = 0
    const look = async (): Promise<void> => {
      const states = await Promise.all([...this.#current.contents.keys()].map(stateOf))
      const state = states.join('\n')
      if (state === seen) return
      try {
        const next = this.#current.read()
        if (hasChanged(this.#current, next)) {
          use(next.options)
          this.#current = next
          used.inc()
          log.info(`${name}_certificates`, `${name} uses the certificates that were renewed`)
        }
        seen = state
        failures = 0
      } catch (thrown) {
        failures = state === failed ? failures + 1 : 1
        failed = state
        // Certificate and key are seldom replaced in the same moment.
        if (failures !== 2) return
        refused.inc()
        log.error(
          `${name}_certificates`,
          `${where}: the new certificates cannot be used, so the old ones are: ${messageOf(thrown)}`,
        )
      }
    }
    // Never rejects.
    const timer = setInterval(() => void look(), INTERVAL_MS).unref()
    return { [Symbol.dispose]: () => clearInterval(timer) }
  }

  #count(result: string): Counter {
    const help = 'Times that certificates were renewed while they were in use, by what came of it.'
    return this.#context.metrics.counter('millrace_certificate_renewals_total', help, { component: this.#context.id, result })
  }
}

/** Has new connections of a server use certificates that were renewed, until it closes. */
export function followCertificates(server: Server, first: TlsReading<TlsOptions>, name: string, context: Context): void {
  const following = new Certificates(first, context).follow(name, (options) => server.setSecureContext(options))
  server.once('close', () => following[Symbol.dispose]())
}

async function stateOf(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch(() => undefined)
  return `${file} ${found?.dev} ${found?.ino} ${found?.size} ${found?.mtimeNs} ${found?.ctimeNs}`
}

function hasChanged<O extends SecureContextOptions>(current: TlsReading<O>, next: TlsReading<O>): boolean {
  return [...next.contents].some(([file, bytes]) => current.contents.get(file)?.equals(bytes) !== true)
}
