import { execFile } from 'node:child_process'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

const ROOT = join(import.meta.dirname, '..')
const run = promisify(execFile)

interface ComposeFile {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly ports?: readonly string[]
        readonly volumes?: readonly string[]
        readonly healthcheck?: object
        readonly environment?: Readonly<Record<string, string>>
      }
    >
  >
  readonly volumes: Readonly<Record<string, unknown>>
}

interface StaticConfig {
  readonly targets: readonly string[]
}

interface PrometheusFile {
  readonly scrape_configs: readonly { readonly job_name: string; readonly static_configs: readonly StaticConfig[] }[]
  readonly alerting: { readonly alertmanagers: readonly { readonly static_configs: readonly StaticConfig[] }[] }
}

async function readYaml<T>(path: string): Promise<T> {
  return parse(await readFile(join(ROOT, path), 'utf8')) as T
}

/** The program that validates a compose file here, or undefined. */
async function findCompose(): Promise<readonly string[] | undefined> {
  for (const command of [['docker-compose'], ['docker', 'compose']] as const) {
    const [program, ...args] = command
    const is_there = await run(program, [...args, 'version']).then(
      () => true,
      () => false,
    )
    if (is_there) return command
  }
  return undefined
}

test('docker-compose accepts docker-compose.yml', async (context) => {
  const compose = await findCompose()
  if (compose === undefined) {
    if (process.env['MILLRACE_REQUIRE_SERVERS'] === '1') throw new Error('docker-compose is not installed')
    return context.skip('neither docker-compose nor docker compose is installed')
  }
  const [program = '', ...args] = compose
  await run(program, [...args, '-f', 'docker-compose.yml', 'config', '-q'], { cwd: ROOT })
})

test('every service of docker-compose.yml says whether it is healthy and publishes its ports on 127.0.0.1 only', async () => {
  const { services } = await readYaml<ComposeFile>('docker-compose.yml')
  expect(Object.keys(services).sort()).toEqual([
    'alertmanager',
    'elasticsearch',
    'filebeat',
    'grafana',
    'jaeger',
    'kafka',
    'kibana',
    'millrace',
    'millrace-alerts',
    'prometheus',
  ])
  for (const [name, service] of Object.entries(services)) {
    expect(service.healthcheck, name).toHaveProperty('test')
    for (const port of service.ports ?? []) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
  }
})

test('every service of docker-compose.yml keeps its data in a named volume, but Jaeger, whose traces are samples', async () => {
  const { services: all, volumes } = await readYaml<ComposeFile>('docker-compose.yml')
  const { jaeger: _in_memory, ...services } = all
  for (const [name, service] of Object.entries(services)) {
    const mounted = (service.volumes ?? []).map((volume) => volume.split(':')[0] ?? '')
    expect(mounted, name).toContain(`${name}-data`)
  }
  expect(Object.keys(volumes).sort()).toEqual(
    Object.keys(services)
      .map((name) => `${name}-data`)
      .sort(),
  )
})

test('what docker-compose.yml mounts is there, and its configs name only services that there are', async () => {
  const { services } = await readYaml<ComposeFile>('docker-compose.yml')
  for (const [name, { volumes = [] }] of Object.entries(services)) {
    for (const [source = ''] of volumes.map((volume) => volume.split(':'))) {
      if (source.startsWith('./')) await expect(access(join(ROOT, source)), `${name}: ${source}`).resolves.toBeUndefined()
    }
  }
  const hosts = (text: string): string[] => [...text.matchAll(/https?:\/\/([a-z-]+):\d+/g)].map(([, host = '']) => host)
  const files = ['grafana/provisioning/datasources/datasources.yml', 'alertmanager/alertmanager.yml']
  for (const file of files) {
    const named = hosts(await readFile(join(ROOT, 'deploy', file), 'utf8'))
    expect(named.length, file).toBeGreaterThan(0)
    for (const host of named) expect(Object.keys(services), file).toContain(host)
  }
  const { scrape_configs, alerting } = await readYaml<PrometheusFile>('deploy/prometheus/prometheus.yml')
  const own = scrape_configs.find(({ job_name }) => job_name === 'millrace')?.static_configs ?? []
  const targets = [...own, ...alerting.alertmanagers.flatMap(({ static_configs }) => static_configs)].flatMap(
    (one) => one.targets,
  )
  expect(targets).toHaveLength(3)
  for (const target of targets) expect(Object.keys(services)).toContain(target.split(':')[0])
})

/** The variables of a config, each with what it is where nothing is set. */
async function variablesOf(path: string): Promise<Map<string, string>> {
  const config = await readFile(join(ROOT, path), 'utf8')
  return new Map([...config.matchAll(/\$\{(\w+):([^}]*)\}/g)].map(([, name = '', preset = '']) => [name, preset]))
}

test.each([
  ['millrace-alerts', 'config/alerts.json'],
  ['millrace', 'config/exchange.json'],
])('%s gives no variable of %s another preset than the config, nor none where that has one', async (name, config) => {
  const { services } = await readYaml<ComposeFile>('docker-compose.yml')
  for (const [variable, preset] of await variablesOf(config)) {
    const given = /^\$\{\w+:-(.*)\}$/.exec(services[name]?.environment?.[variable] ?? '')?.[1]
    if (given !== undefined) expect([variable, given]).toEqual([variable, preset])
  }
})

test('the channels of alerts can be set from outside, with their log-ins', async () => {
  const { services } = await readYaml<ComposeFile>('docker-compose.yml')
  const known = Object.keys(services['millrace-alerts']?.environment ?? {})
  const asked = [...(await variablesOf('config/alerts.json')).keys()]
  expect(known).toEqual(expect.arrayContaining(asked.filter((name) => /^SMTP_|_URL$|_MAIL_/.test(name))))
})
