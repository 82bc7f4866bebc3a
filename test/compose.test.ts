import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

const ROOT = join(import.meta.dirname, '..')
const run = promisify(execFile)

interface ComposeFile {
  readonly services: Readonly<
    Record<string, { readonly ports?: readonly string[]; readonly volumes?: readonly string[]; readonly healthcheck?: object }>
  >
  readonly volumes: Readonly<Record<string, unknown>>
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
  expect(Object.keys(services).sort()).toEqual(['elasticsearch', 'filebeat', 'kafka', 'kibana', 'millrace'])
  for (const [name, service] of Object.entries(services)) {
    expect(service.healthcheck, name).toHaveProperty('test')
    for (const port of service.ports ?? []) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
  }
})

test('every service of docker-compose.yml keeps its data in a named volume', async () => {
  const { services, volumes } = await readYaml<ComposeFile>('docker-compose.yml')
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
