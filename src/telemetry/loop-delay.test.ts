import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { waitFor } from '../../test/helpers/wait-for.ts'
import { LoopDelay } from './loop-delay.ts'

const STALL_S = 0.5

test('a stall is seen until the window after its own has ended, whoever asked meanwhile', async () => {
  const delay = new LoopDelay()
  try {
    // The measuring begins with a turn of the loop.
    await waitFor('a measurement', () => delay.max_s > 0)
    const started_ms = performance.now()
    while (performance.now() - started_ms < STALL_S * 1_000);
    await waitFor('the stall', () => delay.max_s > 0.9 * STALL_S)
    delay.turn()
    await nextTurn()
    for (let asked = 0; asked < 3; asked++) expect(delay.max_s).toBeGreaterThan(0.9 * STALL_S)
    // Where the machine stalls by itself, the next two windows may be better.
    await waitFor('quiet windows', () => {
      delay.turn()
      delay.turn()
      return delay.max_s < 0.9 * STALL_S
    })
    expect(delay.p99_s).toBeLessThanOrEqual(delay.max_s)
  } finally {
    delay.close()
  }
})
