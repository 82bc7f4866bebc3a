import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { text as readAll } from 'node:stream/consumers'
import type { SMTPServerOptions } from 'smtp-server'
import { freePort } from './free-port.ts'
import { type SmtpStub, startSmtpServer } from './smtp-server.ts'

const CHANNELS = ['phone', 'sms', 'wechat', 'email'] as const
export type Channel = (typeof CHANNELS)[number]
type HttpChannel = Exclude<Channel, 'email'>

/** The robot's own limit. */
const WECHAT_BYTES_MAX = 2_048

/** What a person got: the spoken or written text, or subject and body of a mail with an empty line between. */
export interface Notification {
  readonly channel: Channel
  readonly text: string
}

/** The services behind config/alerts.json: three that take HTTP, and a mail server. They keep what they get. */
export class AlertChannels implements AsyncDisposable {
  /** Variables that make config/alerts.json send to them. */
  readonly env: Readonly<Record<string, string>>
  /** How many messages WeChat's robot puts off, with 200 and a code of its own. */
  wechat_busy = 0
  /** How many it put off, or found too long. */
  wechat_refused = 0
  /** Those that take a request and never answer, and how many they took. */
  readonly hanging = new Set<Channel>()
  hung = 0
  /** Those that answer 400, and what they refused so. */
  readonly refusing = new Set<Channel>()
  readonly refused: Notification[] = []
  /** What the mail server answers in place of taking a mail. */
  mail_refusal: number | undefined
  /** How many mails it refused. */
  mails_refused = 0
  readonly #calls: Notification[] = []
  readonly #ports: Readonly<Record<Channel, number>>
  readonly #servers = new Map<HttpChannel, Server>()
  #mail: SmtpStub | undefined

  private constructor(ports: Readonly<Record<Channel, number>>) {
    this.#ports = ports
    this.env = {
      PHONE_URL: `http://127.0.0.1:${ports.phone}/call`,
      SMS_URL: `http://127.0.0.1:${ports.sms}/send`,
      WECHAT_URL: `http://127.0.0.1:${ports.wechat}/cgi-bin/webhook/send?key=k`,
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String(ports.email),
      SMTP_TLS: 'false',
    }
  }

  /** All of them answer, but those that are down from the beginning. */
  static async start(...down: readonly Channel[]): Promise<AlertChannels> {
    const ports = { phone: await freePort(), sms: await freePort(), wechat: await freePort(), email: await freePort() }
    const channels = new AlertChannels(ports)
    for (const channel of CHANNELS) if (!down.includes(channel)) await channels.open(channel)
    return channels
  }

  /** All that was received, each channel in its order. */
  get received(): readonly Notification[] {
    const mails = this.#mail?.mails ?? []
    return [...this.#calls, ...mails.map(({ source }): Notification => ({ channel: 'email', text: mailText(source) }))]
  }

  textsOf(channel: Channel): readonly string[] {
    return this.received.filter((one) => one.channel === channel).map(({ text }) => text)
  }

  /** A channel that was down answers from here on. */
  async open(channel: Channel): Promise<void> {
    if (channel === 'email') this.#mail = await startSmtpServer({ onRcptTo: this.#onRecipient }, this.#ports.email)
    else await this.#openHttp(channel)
  }

  readonly #onRecipient: NonNullable<SMTPServerOptions['onRcptTo']> = (_address, _session, done) => {
    if (this.mail_refusal === undefined) return done()
    this.mails_refused++
    done(Object.assign(new Error('not now'), { responseCode: this.mail_refusal }))
  }

  async #openHttp(channel: HttpChannel): Promise<void> {
    const server = createServer((request, response) => {
      const take = async (): Promise<void> => {
        const text = messageText(channel, await readAll(request))
        if (this.hanging.has(channel)) {
          this.hung++
          return
        }
        if (this.refusing.has(channel)) {
          this.refused.push({ channel, text })
          response.writeHead(400).end()
          return
        }
        if (channel === 'wechat' && Buffer.byteLength(text) > WECHAT_BYTES_MAX) {
          this.wechat_refused++
          response.end('{"errcode":45002,"errmsg":"content size out of limit"}')
          return
        }
        if (channel === 'wechat' && this.wechat_busy > 0) {
          this.wechat_busy--
          this.wechat_refused++
          response.end('{"errcode":45009,"errmsg":"api freq out of limit"}')
          return
        }
        this.#calls.push({ channel, text })
        response.end('{"errcode":0,"errmsg":"ok"}')
      }
      void take()
    })
    this.#servers.set(channel, server)
    server.listen(this.#ports[channel], '127.0.0.1')
    await once(server, 'listening')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers.values()) {
      server.closeAllConnections()
      server.close()
    }
    await this.#mail?.[Symbol.asyncDispose]()
  }
}

function messageText(channel: HttpChannel, body: string): string {
  const message = JSON.parse(body) as { message?: string; msgtype?: string; text?: { content?: string } }
  if (channel !== 'wechat') return message.message ?? ''
  return message.msgtype === 'text' ? (message.text?.content ?? '') : ''
}

/** Subject and text of a mail as nodemailer writes one without attachments. */
function mailText(source: string): string {
  const [head = '', ...rest] = source.split('\r\n\r\n')
  const header = (name: string): string =>
    new RegExp(`^${name}: (.*)$`, 'im').exec(head.replaceAll(/\r\n[ \t]+/g, ' '))?.[1]?.trim() ?? ''
  const body = rest.join('\r\n\r\n')
  const text = decoded(header('Content-Transfer-Encoding'), body).replaceAll('\r\n', '\n').trimEnd()
  const subject = header('Subject')
    .replaceAll(/(=\?[^ ]+\?=) (?==\?)/g, '$1')
    .replaceAll(/=\?UTF-8\?([BQ])\?(.*?)\?=/gi, (_word, kind: string, word: string) =>
      kind.toUpperCase() === 'B' ? decoded('base64', word) : decoded('quoted-printable', word.replaceAll('_', ' ')),
    )
  return `${subject}\n\n${text}`
}

function decoded(encoding: string, text: string): string {
  if (encoding === 'base64') return Buffer.from(text, 'base64').toString()
  if (encoding !== 'quoted-printable') return text
  const bytes = text
    .replaceAll('=\r\n', '')
    .replaceAll(/=([0-9A-F]{2})/gi, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString()
}
