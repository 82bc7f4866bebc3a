import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { runInput } from './input-loop.ts'

test('an input that fails is unwell until it is started again', async () => {
  const told: string[] = []
  const { log } = testContext()
  const health = { unwell: (reason: string) => void told.push(reason), well: () => void told.push('well') }
  let runs = 0
  const source = {
    run: () => {
      runs++
      told.push('runs')
      return runs === 1 ? Promise.reject(new Error('no more files')) : Promise.resolve()
    },
  }
  const { signal } = new AbortController()
  const never = (): never => {
    throw new Error('nothing is handed on')
  }
  expect(await runInput({ id: 'a', where: 'test:1:1', source }, never, signal, signal, { log, health })).toBe(true)
  expect(told).toEqual(['runs', 'it failed: no more files', 'well', 'runs'])
})
