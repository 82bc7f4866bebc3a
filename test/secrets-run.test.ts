import { globSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freePort } from './helpers/free-port.ts'
import { startOtlpReceiver } from './helpers/otlp-receiver.ts'
import { configOf, PlantedSecrets, settingsOf } from './helpers/planted-secrets.ts'
import { Program } from './helpers/program.ts'
import { runTool } from './helpers/run-tool.ts'
import { startSmtpServer } from './helpers/smtp-server.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

/** A server that refuses everybody, and tells them what they sent. */
async function startRefusing() {
  const seen: string[] = []
  const server = createServer((request, response) => {
    const sent = `${request.url} ${JSON.stringify(request.headers)}`
    seen.push(sent)
    response.writeHead(401, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' })
    response.end(JSON.stringify({ error: { type: 'security_exception', reason: sent }, status: 401 }))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const PAGES = ['/', '/metrics', '/livez', '/readyz', '/api/status', '/api/ledger', '/_node', '/_node/stats', '/_node/pipelines']

/** What complains when nothing that a pipeline wants lets it in. */
const COMPLAINTS = [
  ...[1, 2, 3, 4, 5, 6].map((number) => `output_elasticsearch_${number}",`),
  ...[1, 2, 3].map((number) => `output_http_${number}","kind":"http_refused"`),
  ...['input_kafka_1', 'output_http_4', 'output_kafka_1', 'output_email_1'].map((id) => `${id}",`),
]

test.each(['1', '2'])('what is refused, unreachable or asked says no secret, with %s workers', async (workers) => {
  await using folder = await temporaryFolder()
  await using refusing = await startRefusing()
  await using mail = await startSmtpServer({
    authOptional: false,
    disabledCommands: ['STARTTLS'],
    onAuth: ({ password }, _session, done) => done(new Error(`wrong password ${password}`)),
  })
  await using receiver = await startOtlpReceiver()
  const traces = Number(new URL(receiver.url).port)
  const secrets = new PlantedSecrets(folder.path)
  const ports = { refusing: refusing.port, mail: mail.port, traces, input: await freePort(), nobody: await freePort() }
  const file = join(folder.path, 'main.conf')
  await writeFile(file, configOf(secrets, ports))
  await writeFile(join(folder.path, 'logstash.yml'), settingsOf(secrets, ports))
  await secrets.write()
  const data = join(folder.path, 'data')
  await mkdir(data)
  const said: Record<string, string> = {}
  const flags = ['--path.settings', folder.path, '--path.data', data]
  {
    const args = ['-f', file, ...flags, '--log.level', 'trace', '--log.format', 'json', '--config.debug', '-w', workers]
    await using program = await Program.spawn({ args, env: secrets.env })
    const headers = { authorization: `Bearer ${secrets.valueOf('API_TOKEN')}` }
    const send = (password: string): Promise<number> =>
      fetch(`http://127.0.0.1:${ports.input}/`, {
        method: 'POST',
        body: 'a line',
        headers: { authorization: `Basic ${Buffer.from(`ann:${password}`).toString('base64')}` },
        // It is answered when it is stored, which is never.
        signal: AbortSignal.timeout(1_000),
      }).then(
        ({ status }) => status,
        (thrown: unknown) => (thrown instanceof DOMException ? 0 : -1),
      )
    await program.waitUntil('the input', async () => (await send('wrong')) === 401)
    expect(await send(secrets.valueOf('HTTP_INPUT'))).toBe(0)
    for (const complaint of COMPLAINTS) await program.waitUntil(complaint, () => program.stderr.includes(complaint))

    const page = async (path: string): Promise<string> => (await fetch(`${program.apiUrl}${path}`, { headers })).text()
    // One worker may have been refused before the others.
    for (const path of ['/readyz', '/api/status'])
      await program.waitUntil(`a refusal in ${path}`, async () => (await page(path)).includes('<password>'))
    for (const path of PAGES) said[path] = await page(path)
    said['/api/stream'] = await firstOf(await fetch(`${program.apiUrl}/api/stream`, { headers }))
    said['wrong token'] = await (await fetch(`${program.apiUrl}/api/status`, { headers: { authorization: 'Bearer x' } })).text()
    said['ledger'] = Object.values(
      await runTool(['ledger', program.apiUrl], '', { ...secrets.env, MILLRACE_API_TOKEN: secrets.valueOf('API_TOKEN') }),
    ).join()
    await writeFile(
      file,
      `${configOf(secrets, ports)} output { elasticsearch { timeout => "\${API_KEY}" index => "\${MAIL}" retry_max_interval => "\${HTTP_INPUT}" } }`,
    )
    const refused = await fetch(`${program.apiUrl}/api/pipeline`, { method: 'PUT', headers })
    said['PUT /api/pipeline'] = await refused.text()
    expect(refused.status).toBe(422)
    await program.stop()
    said['stdout'] = program.stdout
    said['stderr'] = program.stderr
    said['spans'] = JSON.stringify(receiver.spans)
  }
  await writeFile(file, configOf(secrets, ports))
  for (const words of ['dlq ls', 'dlq ls --json', 'dlq show', 'dlq replay --dry-run', 'dlq replay --dry-run --json'].map((text) =>
    text.split(' '),
  )) {
    const more = words[1] === 'replay' ? ['-f', file, ...flags] : ['--path.data', data]
    const { stdout, stderr } = await runTool([...words, ...more], '', secrets.env)
    said[words.join(' ')] = `${stdout}${stderr}`
  }
  for (const name of globSync('**/*.segment', { cwd: data })) said[name] = readFileSync(join(data, name), 'latin1')
  await rm(data, { recursive: true })

  expect(secrets.leaksIn(said)).toEqual([])
  // They were used, and would have been told.
  const used = ['ES_ADDRESS', 'ES_PASSWORD', 'ES_HEADER', 'API_KEY', 'CLOUD_AUTH', 'URL', 'URL_TOKEN', 'BEARER', 'HTTP_OUTPUT']
  expect(secrets.namesIn(refusing.seen.join('\n'))).toEqual(expect.arrayContaining(used))
  for (const door of ['/readyz', '/api/status', '/api/stream', 'PUT /api/pipeline', 'stderr'])
    expect(said[door]).toContain('<password>')
  for (const door of ['stderr', 'spans']) expect(said[door]).toContain('wrong password <password>')
  expect(said['dlq show']).toContain('http_401')
})

/** What the first frames hold. */
async function firstOf({ body }: Response): Promise<string> {
  let text = ''
  for await (const piece of body ?? []) {
    text += Buffer.from(piece as Uint8Array).toString()
    if (text.split('\n\n').length > 2) break
  }
  return text
}
