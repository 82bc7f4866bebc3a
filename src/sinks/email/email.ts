import { accessSync, constants, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import type { SendMailOptions, Transporter } from 'nodemailer'
import pLimit from 'p-limit'
import { defineOutput } from '../../core/component.ts'
import { type Outcome, type OutputContext, type Sink, STORED, type WriteResult } from '../../core/contracts.ts'
import { MillraceError, messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { readLogin } from '../../core/login.ts'
import { kept } from '../../core/options/kept-options.ts'
import * as option from '../../core/options/options.ts'
import type { Template } from '../../core/template.ts'
import { type Fields, setMember } from '../../core/values.ts'
import { unlessAborted } from '../../core/waiting.ts'
import { type ClientCertificates, readClientTls } from '../../network/client-tls.ts'
import { compileMustache, type Render } from './mustache.ts'

const OPTIONS = {
  to: option.template('Who gets the mail, addresses with commas between. It takes %{field}.', { required: true }),
  from: option.template('Who sends it.', { default: 'logstash.alert@example.com' }),
  replyto: option.template('Who gets answers to it.'),
  cc: option.template('Who gets a copy.'),
  bcc: option.template('Who gets a copy without the others knowing.'),
  subject: option.template('Its subject. It takes %{field}.', { default: '' }),
  body: option.template('Its text. It takes %{field}; `\\n` begins a new line.', { default: '' }),
  htmlbody: option.template('The same in HTML.', { default: '' }),
  template_file: option.path('A file with a Mustache template, in place of `htmlbody`. It takes the names of fields.'),
  contenttype: option.string('The content type of the HTML part.', { default: 'text/html; charset=UTF-8' }),
  attachments: option.list('Files that go with each mail.', { default: [] }),
  via: option.oneOf('How mail leaves: to a server, or through the program sendmail.', ['smtp', 'sendmail'], { default: 'smtp' }),
  address: option.string('The mail server.', { default: 'localhost' }),
  port: option.integer('Its port. With `use_tls` 465 speaks TLS from the start.', { default: 25, min: 1, max: 65_535 }),
  domain: option.string('The name that we greet the server with.', { default: 'localhost' }),
  username: option.string('User name at the server.'),
  password: option.secret('Password at the server.'),
  authentication: option.oneOf('How to log in; found out without it.', ['plain', 'login', 'cram_md5']),
  use_tls: option.boolean('Speaks TLS (STARTTLS), and sends nothing to a server that cannot.', { default: false }),
  ssl_certificate_authorities: option.list(
    "Ours. Files with the authorities of the server's certificate, PEM. Default: the system's.",
    {
      default: [],
    },
  ),
  ssl_verification_mode: option.oneOf(
    "Ours. What is checked of the server's certificate: authority and host name, the authority only, or nothing.",
    ['full', 'certificate', 'none'],
    { default: 'full' },
  ),
  debug: kept('what went wrong with a mail is in the log'),
}
type Options = option.OptionValues<typeof OPTIONS>

export const email = defineOutput({
  name: 'email',
  summary: 'Sends a mail for each event.',
  description: `A mail counts as stored when the server has taken it. What it refuses for now (4xx), and a server that is away or does not
let us in, is tried again; what it refuses for good (5xx) goes to the dead letters: Logstash loses both. Put it behind a condition, and
perhaps behind \`throttle\`: a mail for each event of a busy log helps nobody.`,
  default_codec: 'plain',
  options: OPTIONS,
  refused: {
    match: 'it is gone from Logstash too: put the output behind an if',
    options: 'it is gone from Logstash too: write address, port and the others as options of their own',
  },
  examples: [
    {
      title: 'Errors to those on duty',
      options: {
        to: 'duty@example.com',
        from: 'logs@example.com',
        subject: '%{service}: %{level}',
        body: '%{message}\\n%{@timestamp}',
        address: 'mail.example.com',
        port: 587,
        use_tls: true,
        username: 'logs',
        // biome-ignore lint: the placeholder is the config language's, not JavaScript's
        password: '${SMTP_PASSWORD}',
      },
    },
  ],
  create: (options, context) => new EmailSink(options, context),
})

const BATCH_EVENTS = 50
const MAILS_AT_ONCE = 5
const CONNECT_MS = 10_000
const SILENCE_MS = 60_000

const METHODS = { plain: 'PLAIN', login: 'LOGIN', cram_md5: 'CRAM-MD5' } as const

class EmailSink implements Sink {
  readonly batching = { events_max: BATCH_EVENTS, bytes_max: 5 * 1024 * 1024, concurrency: 1 }
  readonly #options: Options
  readonly #context: OutputContext
  readonly #settings: TransportSettings
  readonly #renderHtml: Render | undefined
  readonly #attachments: readonly { readonly path: string }[]
  #transport: Transporter | undefined
  #following: Disposable | undefined

  constructor(options: Options, context: OutputContext) {
    this.#options = options
    this.#context = context
    const inConfig = (file: string): string => resolve(context.paths.config, file)
    if (options.template_file !== undefined) context.files.reads(inConfig(options.template_file))
    this.#settings = transportSettings(options, context)
    this.#renderHtml = options.template_file === undefined ? undefined : readTemplate(inConfig(options.template_file))
    this.#attachments = options.attachments.map((file) => ({ path: readable(inConfig(file)) }))
  }

  /** nodemailer is loaded here and not before. */
  async open(): Promise<void> {
    const { createTransport } = await import('nodemailer')
    const { tls, ...settings } = this.#settings
    if (tls === undefined) {
      this.#transport = createTransport(settings)
      return
    }
    const create = (options: ConnectionOptions): Transporter => createTransport({ ...settings, tls: options })
    this.#transport = create(tls.options)
    this.#following = tls.follow('email', (options) => {
      const old = this.#transport
      this.#transport = create(options)
      // Mails that are on their way get there.
      old?.close()
    })
  }

  async write(events: readonly Event[], signal: AbortSignal): Promise<WriteResult> {
    const limit = pLimit(MAILS_AT_ONCE)
    const attempts = await unlessAborted(Promise.all(events.map((event) => limit(() => this.#send(event)))), signal)
    const lost = attempts.find(({ unreachable }) => unreachable !== undefined)
    if (lost !== undefined && attempts.every(({ unreachable }) => unreachable !== undefined)) throw lost.unreachable
    return { outcomes: attempts.map(({ outcome }) => outcome) }
  }

  close(): Promise<void> {
    this.#following?.[Symbol.dispose]()
    this.#transport?.close()
    return Promise.resolve()
  }

  /** Never rejects. */
  async #send(event: Event): Promise<Attempt> {
    try {
      await this.#transport?.sendMail(this.#mailOf(event))
      return { outcome: STORED }
    } catch (thrown) {
      return this.#judge(thrown)
    }
  }

  #mailOf(event: Event): SendMailOptions {
    const { to, from, replyto, cc, bcc, subject, body, htmlbody, contenttype } = this.#options
    const html = this.#renderHtml === undefined ? htmlbody.format(event) : this.#renderHtml(fieldsOf(event))
    const optional = (name: string, template: Template | undefined): object =>
      template === undefined ? {} : { [name]: template.format(event) }
    return {
      from: from.format(event),
      to: to.format(event),
      subject: subject.format(event),
      text: body.format(event).replaceAll('\\n', '\n'),
      ...optional('replyTo', replyto),
      ...optional('cc', cc),
      ...optional('bcc', bcc),
      ...(html === '' ? {} : { alternatives: [{ contentType: contenttype, content: html }] }),
      attachments: [...this.#attachments],
      disableUrlAccess: true,
    }
  }

  #judge(thrown: unknown): Attempt {
    const { code = '', responseCode = 0 } = thrown as { readonly code?: string; readonly responseCode?: number }
    const why = messageOf(thrown)
    if (code === 'EENVELOPE' || code === 'EMESSAGE' || code === 'ESTREAM') {
      if (responseCode >= 400 && responseCode < 500) return { outcome: { kind: 'retry', reason: `smtp_${responseCode}: ${why}` } }
      this.#context.log.error('email_refused', `${this.#context.where}: ${why}`)
      return { outcome: { kind: 'reject', reason: responseCode === 0 ? 'mail_invalid' : `smtp_${responseCode}` } }
    }
    const code_of = code === 'EAUTH' ? 'OUTPUT_REFUSED' : 'OUTPUT_UNREACHABLE'
    const at = this.#options.via === 'smtp' ? `${this.#options.address}:${this.#options.port}` : 'sendmail'
    const unreachable = new MillraceError(code_of, `${at}: ${why}`, { cause: thrown })
    return { outcome: { kind: 'retry', reason: unreachable.message }, unreachable }
  }
}

interface Attempt {
  readonly outcome: Outcome
  /** The server is away, or lets nobody in: no other mail would go through. */
  readonly unreachable?: MillraceError
}

interface TransportSettings {
  readonly tls?: ClientCertificates
  /** What else nodemailer takes. */
  readonly [name: string]: unknown
}

function transportSettings(options: Options, context: OutputContext): TransportSettings {
  if (options.via === 'sendmail') return { sendmail: true, newline: 'unix' }
  const { address, port, domain, authentication, use_tls } = options
  const login = readLogin(options.username, options.password, refused)
  return {
    pool: true,
    maxConnections: MAILS_AT_ONCE,
    host: address,
    port,
    name: domain,
    secure: use_tls && port === 465,
    requireTLS: use_tls,
    ignoreTLS: !use_tls,
    tls: readClientTls(options, context, 'OUTPUT_CANNOT_START'),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    ...(login === undefined ? {} : { auth: { user: login.user, pass: login.password.reveal() } }),
    ...(authentication === undefined ? {} : { authMethod: METHODS[authentication] }),
  }
}

function readTemplate(path: string): Render {
  try {
    return compileMustache(readFileSync(path, 'utf8'))
  } catch (thrown) {
    throw refused(`template_file ${path}: ${messageOf(thrown)}`)
  }
}

function readable(path: string): string {
  try {
    accessSync(path, constants.R_OK)
    return path
  } catch (thrown) {
    throw refused(`attachments: ${messageOf(thrown)}`)
  }
}

function fieldsOf(event: Event): Fields {
  const fields: Fields = {}
  for (const [name, value] of event.entries()) setMember(fields, name, value)
  return fields
}

function refused(message: string): MillraceError {
  return new MillraceError('OUTPUT_CANNOT_START', message)
}
