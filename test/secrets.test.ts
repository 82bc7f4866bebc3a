import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freePort } from './helpers/free-port.ts'
import { Program } from './helpers/program.ts'
import { runTool } from './helpers/run-tool.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

const KEPT = 'k3ystore"value'
const MOUNTED = 'm0unted/value'

test.each(['debug', 'info', 'warn', 'error'])(
  'a secret reaches its option and nothing that people read, at %s',
  async (level) => {
    await using folder = await temporaryFolder()
    const settings = ['--path.settings', folder.path]
    await runTool(['keystore', 'create', ...settings])
    await runTool(['keystore', 'add', 'ES_PWD', ...settings], KEPT)
    const mounted = join(folder.path, 'mounted')
    await writeFile(mounted, `${MOUNTED}\n`)
    const stub = await startStubElasticsearch()
    const port = await freePort()
    const file = join(folder.path, 'main.conf')
    const config = (
      more: string,
    ): string => `input { http { host => "127.0.0.1" port => ${port} user => ann password => "\${HTTP_PWD}" } }
    output { elasticsearch { hosts => ["${stub.url}"] user => elastic password => "\${ES_PWD}" index => logs ${more} } }`
    await writeFile(file, config(''))
    const said: string[] = []
    {
      const args = ['-f', file, ...settings, '--log.level', level, '--log.format', 'json']
      await using program = await Program.start({ args, env: { HTTP_PWD_FILE: mounted } })
      const send = (pair: string): Promise<Response> =>
        fetch(`http://127.0.0.1:${port}/`, {
          method: 'POST',
          body: 'x',
          headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` },
        })
      expect((await send('ann:wrong')).status).toBe(401)
      expect((await send(`ann:${MOUNTED}`)).status).toBe(200)
      // Secrets where another kind of value has to be, in a config that is read while it runs.
      await writeFile(file, config('timeout => "${ES_PWD}" retry_max_interval => "${HTTP_PWD}"'))
      const answer = await fetch(`${program.apiUrl}/api/pipeline`, { method: 'PUT' })
      expect(answer.status).toBe(422)
      said.push(await answer.text())
      for (const path of ['/', '/metrics', '/livez', '/readyz', '/api/status', '/api/ledger']) {
        said.push(await (await fetch(`${program.apiUrl}${path}`)).text())
      }
      await program.stop()
      said.push(program.stdout, program.stderr)
    }
    const sent = stub.requests.map(({ headers }) => headers.authorization)
    expect(sent).toContain(`Basic ${Buffer.from(`elastic:${KEPT}`).toString('base64')}`)
    for (const command of [
      ['check', file, '--json'],
      ['check', file],
      ['run', file],
    ]) {
      await using program = await Program.spawn({ args: [...command, ...settings], env: { HTTP_PWD_FILE: mounted } })
      expect((await program.exited).code).toBe(1)
      said.push(program.stdout, program.stderr)
    }
    const text = said.join('\n')
    expect(text).toContain('<password>')
    for (const secret of [KEPT, MOUNTED]) {
      for (const form of [secret, JSON.stringify(secret).slice(1, -1), Buffer.from(secret).toString('base64')]) {
        expect(text.includes(form), `${form} in ${text}`).toBe(false)
      }
    }
  },
)
