import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { configOf, PlantedSecrets, settingsOf } from './helpers/planted-secrets.ts'
import { runTool } from './helpers/run-tool.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

// Nothing connects: the ports are only read.
const PORTS = { refusing: 9200, mail: 25, traces: 4318, input: 8080, nobody: 9 }

test('no command prints a secret; convert writes those that stand in the config, and no variable', async () => {
  await using folder = await temporaryFolder()
  const secrets = new PlantedSecrets(folder.path)
  const file = join(folder.path, 'main.conf')
  await writeFile(file, configOf(secrets, PORTS))
  await writeFile(join(folder.path, 'logstash.yml'), settingsOf(secrets, PORTS))
  // One that fails shows what was expected and what came.
  const cases = { config: 'main.conf', cases: [{ name: 'fails', input: [{ message: 'a' }], output: [{ message: 'b' }] }] }
  await writeFile(join(folder.path, 'main.test.json'), JSON.stringify(cases))
  await secrets.write()
  const settings = ['--path.settings', folder.path]
  const commands: readonly (readonly string[])[] = [
    ['check', file, ...settings],
    ['check', file, '--json', ...settings],
    ['-t', '-f', file, '--log.level', 'trace', '--config.debug', ...settings],
    ['lint', file],
    ['lint', file, '--json'],
    ['explain', '-f', file, ...settings],
    ['explain', '-f', file, '--json', ...settings],
    ['test', folder.path, ...settings],
    ['test', folder.path, '--json', ...settings],
    ['keystore', 'list', ...settings],
    ['keystore', 'add', 'ANOTHER', ...settings],
    ['--api.auth.token', secrets.odd('FLAG', 'literal'), '--api.auth.type', 'digest', '-f', file, ...settings],
    ['-e', `output { http { password => "${secrets.odd('INLINE', 'literal')}" url } }`],
  ]
  const said: Record<string, string> = {}
  for (const words of commands) {
    const { stdout, stderr } = await runTool(words, '{"message":"m"}\n', secrets.env)
    const name = words.filter((word) => !secrets.namesIn(word).length).join(' ')
    said[name] = `${stdout}${stderr}`
    expect(said[name], name).not.toBe('')
  }
  expect(secrets.leaksIn(said)).toEqual([])

  const converted = await runTool(['convert', file], '', secrets.env)
  expect(secrets.leaksIn({ convert: converted.stdout }, { literals: true })).toEqual([])
  expect(secrets.leaksIn({ convert: converted.stderr })).toEqual([])
  expect(converted.stdout).toContain('"${ES_PASSWORD}"')
})

/** Configs that are wrong, each with a secret near the fault or in its place. */
const BROKEN: { readonly [name: string]: (secrets: PlantedSecrets) => string } = {
  'a fault on the same line': (secrets) => `output { http { password => "${secrets.odd('SAME_LINE', 'literal')}" url } }`,
  'a fault behind it': (secrets) => `output { http { password => "${secrets.odd('BEFORE', 'literal')}"\n url } }`,
  'a fault in an address': (secrets) => `output { http { url => "http://a:${secrets.plain('ADDRESS', 'literal')}@b" x } }`,
  'a fault behind an address': (secrets) => `output { http { url => "http://a:${secrets.plain('BEHIND', 'literal')}@b"\n x } }`,
  'a fault behind a long address': (secrets) =>
    `output { elasticsearch { hosts => ["https://a-long-user-name:${secrets.plain('CUT_OFF', 'literal')}@b:9200"]\n x } }`,
  'a text without an end': (secrets) => `output { http { password => "${secrets.odd('ENDLESS', 'literal')} } }`,
  'no quotes': (secrets) => `output { http { password => a!${secrets.plain('BARE', 'literal')} } }`,
  'a misspelt option': (secrets) => `output { http { passwrd => "${secrets.odd('MISSPELT', 'literal')}" } }`,
  'another kind of value': (secrets) =>
    `output { elasticsearch { timeout => "${secrets.odd('TIMEOUT_SECRET', 'environment')}_S" bulk_events_max => "\${TIMEOUT_TOKEN}"
       retry_max_interval => "${secrets.odd('INTERVAL', 'file')}" document_id => "%{[${secrets.odd('ID', 'keystore')}" } }`,
  'a list for a password': (secrets) =>
    `output { http { url => "http://b" password => ["${secrets.odd('LIST', 'literal')}", "b"] } }`,
  'a hash for a password': (secrets) =>
    `output { email { to => "a" password => { "a" => "${secrets.odd('HASH', 'literal')}" } } }`,
  'addresses that cannot be read': (secrets) =>
    `output {
       elasticsearch { hosts => ["ftp://a:${secrets.plain('FTP', 'literal')}@b"] }
       elasticsearch { hosts => ["http://a:${secrets.plain('PORT', 'literal')}@b:99999"] }
       elasticsearch { hosts => ["a:${secrets.plain('NO_SCHEME', 'literal')}@b:99999"] }
       elasticsearch { hosts => ["http://b"] proxy => "ftp://a:${secrets.plain('FTP_PROXY', 'literal')}@b" }
       http { url => "ftp://a:${secrets.plain('FTP_URL', 'literal')}@b" http_method => post }
       http { url => "http://b" http_method => post proxy => "a:${secrets.plain('BARE_PROXY', 'literal')}@b" }
       http { url => "http://b" http_method => "https://b?token=${secrets.plain('PARAMETER', 'literal')}" }
       kafka { topic_id => t bootstrap_servers => "sasl://a:${secrets.plain('BROKER', 'literal')}@b:9092" }
     }`,
  'half of a login': (secrets) =>
    `output {
       elasticsearch { password => "${secrets.odd('ALONE', 'literal')}" }
       elasticsearch { cloud_auth => "a:${secrets.odd('TWICE', 'literal')}" api_key => "${secrets.odd('TWICE_KEY', 'literal')}" }
       kafka { topic_id => t security_protocol => SASL_SSL sasl_mechanism => PLAIN sasl_jaas_config => "x password='${secrets.plain('JAAS', 'literal')}'" }
     }`,
  'a wrong passphrase': (secrets) =>
    `input { beats { port => 5044 ssl_enabled => true ssl_certificate => "x.crt" ssl_key => "x.key" ssl_key_passphrase => "${secrets.odd('PASSPHRASE', 'literal')}" } }`,
}

test('what is wrong with a config is told without its secrets', async () => {
  await using folder = await temporaryFolder()
  const secrets = new PlantedSecrets(folder.path)
  secrets.env['TIMEOUT_TOKEN'] = secrets.odd('OF_AN_ENVIRONMENT', 'literal')
  const pipelines: string[] = []
  for (const [index, config] of Object.values(BROKEN).entries()) {
    await writeFile(join(folder.path, `${index}.conf`), config(secrets))
    pipelines.push(`- pipeline.id: p${index}\n  path.config: "${join(folder.path, `${index}.conf`)}"\n`)
  }
  const json = `{ "outputs": [{ "http": { "password": "${secrets.plain('JSON_FAULT', 'literal')}" "url": 1 } }] }`
  await writeFile(join(folder.path, 'json.json'), json)
  await writeFile(
    join(folder.path, 'pipelines.yml'),
    `${pipelines.join('')}- pipeline.id: json\n  path.config: "${folder.path}/json.json"\n`,
  )
  await secrets.write()
  const settings = ['--path.settings', folder.path]
  const said: Record<string, string> = {}
  for (const words of [['check'], ['check', '--json'], []]) {
    const { code, stdout, stderr } = await runTool([...words, ...settings], '', secrets.env)
    expect(code).toBe(1)
    said[`millrace ${words.join(' ')}`] = `${stdout}${stderr}`
  }
  // Its faults are those of check, and come by its own way.
  said['lint'] = Object.values(await runTool(['lint', join(folder.path, '*.conf')], '', secrets.env)).join()
  // Broken settings are looked at last: with them nothing else is.
  await writeFile(join(folder.path, 'logstash.yml'), `api.auth.token: "${secrets.odd('YAML', 'literal')}\nx: [\n`)
  said['settings'] = Object.values(await runTool(['check', ...settings], '', secrets.env)).join()
  expect(secrets.leaksIn(said)).toEqual([])

  const findings = JSON.parse(said['millrace check --json'] ?? '') as { pipelines: { id: string; problems: unknown[] }[] }
  expect(findings.pipelines.filter(({ problems }) => problems.length === 0).map(({ id }) => id)).toEqual([])
  expect(findings.pipelines).toHaveLength(pipelines.length + 1)
  expect(said['millrace check']).toContain('<password>')
})
