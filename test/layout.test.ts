import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

// The arrows of docs/architecture.md: what each folder of src/ may import beside itself.
const ARROWS: { readonly [folder: string]: readonly string[] } = {
  core: [],
  config: ['core'],
  compile: ['core'],
  codecs: ['grok', 'core'],
  storage: ['core'],
  telemetry: ['core'],
  geoip: ['core'],
  grok: ['core'],
  kafka: ['network', 'core'],
  network: ['core'],
  sample: ['core'],
  transform: ['geoip', 'grok', 'storage', 'core'],
  ingest: ['codecs', 'grok', 'kafka', 'network', 'sample', 'storage', 'core'],
  sinks: ['codecs', 'kafka', 'network', 'core'],
  runtime: ['compile', 'storage', 'telemetry', 'core'],
  ops: ['runtime', 'telemetry', 'core'],
  'components.ts': ['ingest', 'transform', 'sinks', 'codecs', 'core'],
  cli: ['ops', 'runtime', 'network', 'compile', 'config', 'telemetry', 'sample', 'geoip', 'storage', 'core', 'components.ts'],
  'index.ts': ['cli', 'ops', 'runtime', 'compile', 'config', 'telemetry', 'storage', 'core', 'components.ts'],
}

const root = join(import.meta.dirname, '..', 'src')

function imports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(([, target = '']) =>
    relative(root, join(root, dirname(file), target)),
  )
}

function folderOf(file: string): string {
  return file.split('/')[0] ?? file
}

const files = globSync('**/*.ts', { cwd: root })

test('there are files to look at', () => {
  expect(files.length).toBeGreaterThan(50)
})

test.each(files.filter((file) => !file.endsWith('.test.ts')))('%s imports only what its folder may', (file) => {
  const folder = folderOf(file)
  const allowed = [folder, ...(ARROWS[folder] ?? [])]
  const forbidden = imports(file).filter((target) => !allowed.includes(folderOf(target)) && target !== '../package.json')
  expect(forbidden).toEqual([])
})

// docs/tracing.md: without an endpoint nothing of it is loaded.
test('OpenTelemetry is in one file, which is loaded only when it is needed', () => {
  const importersOf = (pattern: RegExp): string[] =>
    files.filter((file) => !file.endsWith('.test.ts') && pattern.test(readFileSync(join(root, file), 'utf8'))).sort()
  expect(importersOf(/'@opentelemetry\//)).toEqual(['telemetry/tracing/otlp-exporter.ts'])
  expect(importersOf(/\/otlp-exporter\.ts'/)).toEqual(['cli/tracing.ts'])
  expect(importersOf(/(?<!await import\('[\w./-]*)\/otlp-exporter\.ts'/)).toEqual([])
})

test.each(files)('%s has at most 400 lines', (file) => {
  expect(readFileSync(join(root, file), 'utf8').split('\n').length).toBeLessThanOrEqual(401)
})
