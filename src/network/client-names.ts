import { isIP, SocketAddress } from 'node:net'
import type { PeerCertificate, Server, TLSSocket } from 'node:tls'

type NameType = 'DNS' | 'IP Address' | 'URI' | 'email'

interface Name {
  readonly type: NameType
  /** In the spelling that is compared; `*.example.com` stands for one label before the rest. */
  readonly text: string
}

/** What of a refused certificate is shown. */
const SHOWN_LENGTH_MAX = 200

/** A client whose certificate is good and has another name. */
export class ClientNameRefused extends Error {
  constructor(has: string) {
    super(
      `its certificate is for ${has}, and ssl_client_names has none of that: add the name if this client may send, and look for who it is if not`,
    )
    this.name = 'ClientNameRefused'
  }
}

/**
 * The names of which a client certificate must have one. As in RFC 6125 the subject alternative names are compared (DNS, IP, URI,
 * email), and the common name only where there is none of them.
 */
export class ClientNames {
  readonly #names: readonly Name[]

  /** @param refuse makes the error for a name that none can match */
  constructor(names: readonly string[], refuse: (message: string) => Error) {
    this.#names = names.map((name) => {
      const rest = name.startsWith('*.') ? name.slice(2) : name
      if (rest === '' || rest.includes('*') || (rest !== name && typeOf(rest) !== 'DNS')) {
        throw refuse(
          `ssl_client_names: expected names such as web1.example.com, *.example.com (one label), 10.0.0.7, spiffe://example.com/web or web@example.com, got "${name}"`,
        )
      }
      return nameOf(typeOf(rest), name)
    })
  }

  /** @throws ClientNameRefused */
  check(certificate: Partial<PeerCertificate> | null): void {
    const alternatives = readAlternatives(certificate?.subjectaltname ?? '')
    const common = [certificate?.subject?.CN].flat().at(-1)
    const has = alternatives.length > 0 || common === undefined ? alternatives : [nameOf('DNS', common)]
    // A common name has no type.
    const is_typed = alternatives.length > 0
    const fits = has.some((one) =>
      this.#names.some((name) => (!is_typed || name.type === one.type) && matches(name.text, one.text)),
    )
    if (fits) return
    const shown = has.map(({ text }) => text).join(', ')
    throw new ClientNameRefused(shown === '' ? 'no name' : JSON.stringify(shown.slice(0, SHOWN_LENGTH_MAX)))
  }
}

/**
 * Closes connections of other clients right after their handshake, before anything of theirs is read; each is told by the
 * event `tlsClientError`, as those that fail in the handshake are. For a server whose listeners are all there.
 */
export function admitOnly(server: Server, names: ClientNames): void {
  const listeners = server.listeners('secureConnection') as ((socket: TLSSocket) => void)[]
  server.removeAllListeners('secureConnection')
  server.on('secureConnection', (socket) => {
    try {
      names.check(socket.getPeerCertificate())
    } catch (thrown) {
      socket.on('error', () => {})
      server.emit('tlsClientError', thrown, socket)
      socket.destroy()
      return
    }
    for (const listener of listeners) listener.call(server, socket)
  })
}

function typeOf(name: string): NameType {
  if (isIP(name) !== 0) return 'IP Address'
  if (/^[a-z][a-z\d+.-]*:/i.test(name)) return 'URI'
  return name.includes('@') ? 'email' : 'DNS'
}

function nameOf(type: NameType, text: string): Name {
  return { type, text: spellings[type](text) }
}

/** RFC 6125 and 5280: what of a name is the same in any case. */
const spellings: { readonly [type in NameType]: (text: string) => string } = {
  DNS: (text) => text.toLowerCase().replace(/\.$/, ''),
  'IP Address': (text) => (isIP(text) === 6 ? new SocketAddress({ address: text, family: 'ipv6' }).address : text),
  URI: (text) => text,
  email: (text) => text.replace(/@.*/s, (domain) => domain.toLowerCase()),
}

function matches(wanted: string, has: string): boolean {
  if (!wanted.startsWith('*.')) return wanted === has
  const dot = has.indexOf('.')
  return dot > 0 && has.slice(dot) === wanted.slice(1)
}

/** Node prints them as `DNS:a.example.com, URI:"with, comma"`: what could be misread is in quotes, as in JSON. */
function readAlternatives(text: string): Name[] {
  return [...text.matchAll(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/gs)].flatMap(([part]) => {
    const colon = part.indexOf(':')
    const type = part.slice(0, colon).trim()
    const value = part.slice(colon + 1)
    return isNameType(type) ? [nameOf(type, value.startsWith('"') ? unquote(value) : value)] : []
  })
}

function isNameType(type: string): type is NameType {
  return type in spellings
}

function unquote(text: string): string {
  const value: unknown = JSON.parse(text)
  return String(value)
}
