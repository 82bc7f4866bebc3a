import { expect, test } from 'vitest'
import { runTool } from '../../test/helpers/run-tool.ts'
import { readSampleAddresses } from '../sample/addresses.ts'
import { exchangeLog } from '../sample/exchange-log.ts'

test('so many lines of that seed and start come out, and nothing else', async () => {
  const words = ['sample', '--count', '300', '--rate', '0', '--seed', '5', '--start', '2026-01-02T00:00:00Z']
  const { code, stdout, stderr } = await runTool(words)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const log = exchangeLog({ seed: 5, start_ms: Date.UTC(2026, 0, 2), addresses: readSampleAddresses() })
  expect(stdout).toBe(Array.from({ length: 300 }, () => `${log.next().value.line}\n`).join(''))
})

test('lines wait until their time has come', async () => {
  const started_ms = performance.now()
  const { stdout } = await runTool(['sample', '--count', '600', '--rate', '400'])
  expect(stdout.split('\n')).toHaveLength(601)
  expect(performance.now() - started_ms).toBeGreaterThan(1_300)
})

test('an incident comes when it is told to', async () => {
  const words = ['sample', '--count', '3000', '--rate', '0', '--incident', 'db-pool', '--incident-after', '3']
  const { stdout } = await runTool(words)
  const waiting = [...stdout.matchAll(/"waiting":(\d+)/g)].map(([, count]) => Number(count))
  expect(waiting.filter((count) => count === 0).length).toBeGreaterThan(5)
  expect(waiting.filter((count) => count > 10).length).toBeGreaterThan(5)
})

test.each([
  [['--incident', 'flood'], 'expected one of error-burst, slow-api'],
  [['--rate', 'fast'], '--rate: expected a whole number'],
  [['--start', 'yesterday'], '--start: expected a time such as 2026-01-02T00:00:00Z'],
  [['--cout', '3'], '--cout'],
  [['3'], 'expected flags only, got 3'],
])('%j is refused', async (words, message) => {
  const { code, stderr } = await runTool(['sample', ...words])
  expect(code).toBe(1)
  expect(stderr).toContain(message)
})
