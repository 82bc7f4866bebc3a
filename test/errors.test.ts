import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const codes = [...readFileSync(join(root, 'src/core/errors.ts'), 'utf8').matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map(
  ([, code]) => code,
)
const documented = [...readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^### ([A-Z_]+)$/gm)].map(([, code]) => code)

test('there are codes to look at', () => {
  expect(codes.length).toBeGreaterThan(10)
})

test('every code is in docs/errors.md, and every documented code exists', () => {
  expect(new Set(documented)).toEqual(new Set(codes))
})
