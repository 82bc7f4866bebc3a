import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { TEST_AUTHORITY, TEST_CLIENT } from '../../test/helpers/test-certificates.ts'
import { showExpiry } from './certificate-expiry.ts'
import { readClientTls } from './client-tls.ts'

const EXPIRY = Date.UTC(2120, 0, 1) / 1_000

test('each file with certificates shows when the first of them expires', async () => {
  await using folder = await temporaryFolder()
  const path = (name: string): string => join(folder.path, name)
  await writeFile(path('client.crt'), `${TEST_CLIENT.cert}${TEST_AUTHORITY}`)
  await writeFile(path('client.key'), TEST_CLIENT.key)
  await writeFile(path('ca.crt'), TEST_AUTHORITY)
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  const options = { ssl_certificate: 'client.crt', ssl_key: 'client.key', ssl_certificate_authorities: ['ca.crt'] }
  readClientTls({ ...options, ssl_verification_mode: 'full' }, context, 'OUTPUT_CANNOT_START')
  const shown = (await context.metrics.text()).split('\n').filter((line) => line.startsWith('millrace_certificate'))
  expect(shown.sort()).toEqual(
    ['ca.crt', 'client.crt'].map(
      (name) => `millrace_certificate_expiry_time_seconds{component="test",file="${path(name)}"} ${EXPIRY}`,
    ),
  )
})

test('what is shown follows a file that is renewed', async () => {
  const context = testContext()
  let contents = new Map([['server.crt', Buffer.from(TEST_CLIENT.cert)]])
  showExpiry(() => contents, context)
  expect(await context.metrics.text()).toContain(`{component="test",file="server.crt"} ${EXPIRY}`)
  contents = new Map()
  expect(await context.metrics.text()).toMatch(/\{component="test",file="server.crt"\} NaN/i)
})
