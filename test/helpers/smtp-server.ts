import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { text as readAll } from 'node:stream/consumers'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'

interface Mail {
  readonly from: string
  readonly to: readonly string[]
  readonly secure: boolean
  readonly user: string
  readonly source: string
}

export interface SmtpStub extends AsyncDisposable {
  readonly port: number
  readonly mails: Mail[]
}

/** A mail server on 127.0.0.1 that keeps what it gets; takes everything unless told otherwise. */
export async function startSmtpServer(options: SMTPServerOptions = {}, port = 0): Promise<SmtpStub> {
  const mails: Mail[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    logger: false,
    onData: (stream, session, done) => {
      const { envelope, secure, user } = session
      const take = async (): Promise<void> => {
        const source = await readAll(stream)
        const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address
        mails.push({ from, to: envelope.rcptTo.map(({ address }) => address), secure, user: String(user ?? ''), source })
        done()
      }
      void take()
    },
    ...options,
  })
  server.listen(port, '127.0.0.1')
  await once(server.server, 'listening')
  server.on('error', () => {}) // Clients that break off are told of here; the sink under test tells of it too.
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
