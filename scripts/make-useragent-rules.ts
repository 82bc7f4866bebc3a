/**
 * Makes src/transform/useragent/regexes.json, the rules of the useragent filter, from the regexes.yaml of the npm package
 * uap-core:
 *
 *   node scripts/make-useragent-rules.ts
 */
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readRules } from '../src/transform/useragent/rules.ts'

const manifest_path = createRequire(import.meta.url).resolve('uap-core/package.json')
const { version } = JSON.parse(await readFile(manifest_path, 'utf8')) as { readonly version: string }
const source_path = join(dirname(manifest_path), 'regexes.yaml')
const rules = readRules(source_path, await readFile(source_path, 'utf8'))

const lists = Object.entries(rules).map(
  ([name, list]) => `"${name}": [\n${list.map((rule: unknown) => JSON.stringify(rule)).join(',\n')}\n]`,
)
const path = fileURLToPath(new URL('../src/transform/useragent/regexes.json', import.meta.url))
await writeFile(path, `{ "source": "uap-core ${version}, Apache License 2.0",\n${lists.join(',\n')} }\n`)
process.stdout.write(`${path}: ${Object.values(rules).flat().length} rules of uap-core ${version}\n`)
