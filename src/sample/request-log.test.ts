import { isIPv6 } from 'node:net'
import { expect, test } from 'vitest'
import { parseJson } from '../core/json/json.ts'
import { stringify } from '../core/values.ts'
import { requestLog } from './request-log.ts'

interface Line {
  readonly [name: string]: unknown
  readonly level: string
  readonly duration: number
  readonly ip: string
}

const START_MS = Date.UTC(2026, 0, 2)
const lines = [...requestLog({ seed: 7, count: 10_000, start_ms: START_MS })]
const parsed = lines.map((line) => JSON.parse(line) as Line)

function share(holds: (line: Line) => boolean): number {
  return parsed.filter(holds).length / parsed.length
}

test('the same seed gives the same lines, another one others', () => {
  expect([...requestLog({ seed: 7, count: 10, start_ms: START_MS })]).toEqual(lines.slice(0, 10))
  expect([...requestLog({ seed: 8, count: 10, start_ms: START_MS })]).not.toEqual(lines.slice(0, 10))
})

test('a line is a request, in 400 to 460 bytes', () => {
  expect(Object.keys(parsed[0] ?? {}).join(' ')).toBe(
    'ts level logger caller msg service env action user_id order_id symbol side type price quantity endpoint method status ' +
      'duration ip trace_id span_id',
  )
  expect(Math.min(...lines.map((line) => line.length))).toBeGreaterThanOrEqual(400)
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(460)
  expect(parsed[500]?.['ts']).toBe('2026-01-02T00:00:01.000Z')
})

test('order ids have twenty digits, come once each and survive our reader exactly', () => {
  const ids = lines.map((line) => /"order_id":(\d+),/.exec(line)?.[1] ?? '')
  expect(ids.every((id) => id.length === 20)).toBe(true)
  expect(new Set(ids).size).toBe(ids.length)
  for (const line of lines.slice(0, 100)) {
    const { value, exact } = parseJson(line)
    expect(stringify(value, exact)).toBe(line)
  }
})

test('errors, slow requests, private and IPv6 addresses have their shares', () => {
  expect(share(({ level }) => level === 'error')).toBeCloseTo(0.02, 1.5)
  expect(share(({ duration }) => duration > 1_000)).toBeCloseTo(0.03, 1.5)
  expect(share(({ ip }) => ip.startsWith('10.'))).toBeCloseTo(0.2, 1.5)
  expect(share(({ ip }) => isIPv6(ip))).toBeGreaterThan(0.01)
})
