import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { buildOutput, eventOf } from '../../../test/helpers/build-output.ts'
import { testContext } from '../../../test/helpers/context.ts'
import { freePort } from '../../../test/helpers/free-port.ts'
import { startSmtpServer } from '../../../test/helpers/smtp-server.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { TEST_AUTHORITY, TEST_CLIENT, TEST_SERVER } from '../../../test/helpers/test-certificates.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { plain } from '../../codecs/plain.ts'
import type { Sink } from '../../core/contracts.ts'
import { email } from './email.ts'

function smtpError(code: number): Error {
  return Object.assign(new Error('because'), { responseCode: code })
}

async function open(options: { readonly [name: string]: unknown }, context = testContext()): Promise<Sink> {
  const sink = buildOutput(email, [plain], { to: 'a@example.com', address: '127.0.0.1', ...options }, context)
  await sink.open(signal)
  return sink
}

const signal = new AbortController().signal
const EVENT = '{"service":"api","who":"b@example.com","message":"it broke","list":[{"n":1},{"n":2}]}'
const stored = { outcomes: [{ kind: 'stored' }] }

test('a mail with the values of its event', async () => {
  await using server = await startSmtpServer()
  const sink = await open({
    port: server.port,
    to: 'a@example.com, %{who}',
    from: 'logs@example.com',
    cc: 'c@example.com',
    bcc: 'hidden@example.com',
    replyto: 'r@example.com',
    subject: 'Alarm: %{service}',
    body: 'Hello\\n%{message}',
  })
  expect(await sink.write([eventOf(EVENT)], signal)).toMatchObject(stored)
  await sink.close()
  const [mail] = server.mails
  expect(mail).toMatchObject({
    from: 'logs@example.com',
    to: ['a@example.com', 'b@example.com', 'c@example.com', 'hidden@example.com'],
  })
  for (const part of ['Subject: Alarm: api', 'Reply-To: r@example.com', 'Cc: c@example.com', 'Hello\r\nit broke']) {
    expect(mail?.source).toContain(part)
  }
  // A word that no Message-ID can hold, which is hexadecimal.
  expect(mail?.source).not.toContain('hidden')
})

test('HTML from an option or a template, and files', async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'mail.html'), '<p>{{service}}{{#list}}<b>{{n}}</b>{{/list}}</p>')
  await writeFile(join(folder.path, 'runbook.txt'), 'turn it off and on')
  await using server = await startSmtpServer()
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  const shared = { port: server.port, body: 'plain' }
  const first = await open({ ...shared, htmlbody: '<i>%{service}</i>' }, context)
  await first.write([eventOf(EVENT)], signal)
  await first.close()
  expect(server.mails[0]?.source).toMatch(/multipart\/alternative[^]*plain[^]*text\/html[^]*<i>api<\/i>/)
  const second = await open({ ...shared, template_file: 'mail.html', attachments: 'runbook.txt' }, context)
  await second.write([eventOf(EVENT)], signal)
  await second.close()
  expect(server.mails[1]?.source).toContain('<p>api<b>1</b><b>2</b></p>')
  expect(server.mails[1]?.source).toContain(Buffer.from('turn it off and on').toString('base64'))
})

test('a value cannot add a header', async () => {
  await using server = await startSmtpServer()
  const sink = await open({ port: server.port, subject: '%{s}', to: '%{who}' })
  await sink.write([eventOf('{"s":"x\\r\\nBcc: evil@example.com","who":"b@example.com"}')], signal)
  await sink.close()
  expect(server.mails[0]?.to).toEqual(['b@example.com'])
  expect(server.mails[0]?.source).not.toMatch(/^Bcc:/m)
})

test('over TLS, with a password', async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'ca.crt'), TEST_AUTHORITY)
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  await using server = await startSmtpServer({
    ...TEST_SERVER,
    authOptional: false,
    disabledCommands: [],
    onAuth: ({ username, password, method }, _session, done) => {
      if (username === 'u' && password === 'p' && method === 'PLAIN') done(null, { user: username })
      else done(new Error('no'))
    },
  })
  const tls = { port: server.port, use_tls: true, authentication: 'plain', username: 'u', ssl_certificate_authorities: 'ca.crt' }
  const sink = await open({ ...tls, password: 'p' }, context)
  expect(await sink.write([eventOf(EVENT)], signal)).toMatchObject(stored)
  await sink.close()
  expect(server.mails[0]).toMatchObject({ secure: true, user: 'u' })
  const stranger = await open({ ...tls, password: 'q' }, context)
  await expect(stranger.write([eventOf(EVENT)], signal)).rejects.toMatchObject({ code: 'OUTPUT_REFUSED' })
  await stranger.close()
  const careful = await open({ ...tls, password: 'p', ssl_certificate_authorities: [] }, context)
  await expect(careful.write([eventOf(EVENT)], signal)).rejects.toThrow('certificate')
  await careful.close()
})

test('authorities that are renewed are believed from the next mail on', async () => {
  await using folder = await temporaryFolder()
  const authority = join(folder.path, 'ca.crt')
  await writeFile(authority, TEST_CLIENT.cert)
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  await using server = await startSmtpServer({ ...TEST_SERVER, disabledCommands: ['AUTH'] })
  const sink = await open({ port: server.port, use_tls: true, ssl_certificate_authorities: 'ca.crt' }, context)
  await expect(sink.write([eventOf(EVENT)], signal)).rejects.toThrow('certificate')
  await writeFile(authority, TEST_AUTHORITY)
  await waitFor('the new authority', () => context.lines.some((said) => said.includes('certificates that were renewed')))
  expect(await sink.write([eventOf(EVENT)], signal)).toMatchObject(stored)
  await sink.close()
})

test('nothing is sent to a server that cannot speak TLS', async () => {
  await using server = await startSmtpServer()
  const sink = await open({ port: server.port, use_tls: true })
  await expect(sink.write([eventOf(EVENT)], signal)).rejects.toMatchObject({ code: 'OUTPUT_UNREACHABLE' })
  await sink.close()
  expect(server.mails).toEqual([])
})

test('each mail has its own outcome', async () => {
  await using server = await startSmtpServer({
    onRcptTo: ({ address }, _session, done) => {
      done(address.startsWith('never') ? smtpError(550) : address.startsWith('later') ? smtpError(450) : null)
    },
  })
  const sink = await open({ port: server.port, to: '%{who}@example.com' })
  const events = ['{"who":"never"}', '{"who":"good"}', '{"who":"later"}'].map(eventOf)
  const { outcomes } = await sink.write(events, signal)
  expect(outcomes).toMatchObject([{ kind: 'reject', reason: 'smtp_550' }, { kind: 'stored' }, { kind: 'retry' }])
  const nobody = await open({ port: server.port, to: '%{x}' })
  expect((await nobody.write([eventOf('{"x":""}')], signal)).outcomes).toEqual([{ kind: 'reject', reason: 'mail_invalid' }])
  await nobody.close()
  await sink.close()
})

test('a server that is away is waited for', async () => {
  const sink = await open({ port: await freePort() })
  await expect(sink.write([eventOf(EVENT)], signal)).rejects.toMatchObject({ code: 'OUTPUT_UNREACHABLE' })
  await sink.close()
})

test('the deadline breaks off what is on its way', async () => {
  await using server = await startSmtpServer({ onData: () => {} })
  const sink = await open({ port: server.port })
  const abandon = new AbortController()
  const writing = sink.write([eventOf(EVENT)], abandon.signal)
  abandon.abort(new Error('leaving'))
  await expect(writing).rejects.toThrow('leaving')
  await sink.close()
})

test.each([
  [{ template_file: 'nowhere.html' }, 'template_file'],
  [{ attachments: ['nowhere.txt'] }, 'attachments: ENOENT'],
  [{ username: 'u' }, 'expected user and password together'],
  [{ match: 'x' }, 'cannot be honoured: it is gone from Logstash too'],
  [{ via: 'pigeon' }, 'expected one of smtp, sendmail'],
])('%j is refused', async (options, message) => {
  await expect(open(options)).rejects.toThrow(message)
})
