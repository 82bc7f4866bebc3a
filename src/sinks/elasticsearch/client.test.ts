import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { readClientTls } from '../../network/client-tls.ts'
import { ElasticsearchClient } from './client.ts'

test('what the client loads for answers that are never asked for stays out of memory', async () => {
  await ElasticsearchClient.create({
    nodes: [],
    authorization: undefined,
    headers: {},
    tls: readClientTls({ ssl_verification_mode: 'full' }, testContext(), 'OUTPUT_CANNOT_START'),
    ca_fingerprint: undefined,
    proxy: undefined,
    timeout_ms: 1_000,
    compression_level: 0,
    concurrency: 1,
  })
  const loaded = Object.keys(createRequire(import.meta.url).cache)
  expect(loaded.filter((file) => file.includes('/@elastic/transport/')).length).toBeGreaterThan(10)
  expect(loaded.filter((file) => file.includes('/apache-arrow/'))).toEqual([])
})
