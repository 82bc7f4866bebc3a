import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { runFilter } from '../../test/helpers/run-filter.ts'
import { syslogPri } from './syslog-pri.ts'

test.each([
  ['34', 4, 2],
  [165, 20, 5],
  [165.9, 20, 5],
  ['  46x', 5, 6],
  ['1_6', 2, 0],
  ['+9', 1, 1],
  ['x', 0, 0],
  ['', 0, 0],
  [[165, 1], 20, 5],
  [['8'], 1, 0],
  [[], 0, 0],
  [null, 1, 5],
  [false, 1, 5],
  [undefined, 1, 5],
  [191, 23, 7],
  [-1, -1, 7],
])('the priority %j has the facility %i and the severity %i', async (syslog_pri, syslog_facility_code, syslog_severity_code) => {
  const fields = syslog_pri === undefined ? {} : { syslog_pri }
  expect(await runFilter(syslogPri, { add_tag: ['ok'] }, fields)).toMatchObject({
    ...fields,
    syslog_facility_code,
    syslog_severity_code,
    tags: ['ok'],
  })
})

test.each([true, { a: 1 }, [{}], '9'.repeat(2_000)])('%j is tagged', async (p) => {
  const document = await runFilter(syslogPri, { syslog_pri_field_name: 'p', add_tag: ['ok'] }, { p })
  expect(document).toMatchObject({ p, tags: ['_syslogpriparsefailure'] })
  expect(document).not.toHaveProperty('syslog_severity_code')
})

test('a facility beyond the names is tagged and gets no names, but its codes', async () => {
  const document = await runFilter(syslogPri, { add_tag: ['ok'] }, { syslog_pri: '192' })
  expect(document).toMatchObject({ syslog_facility_code: 24, syslog_severity_code: 0, tags: ['_syslogpriparsefailure', 'ok'] })
  expect(document).not.toHaveProperty('syslog_severity')
  expect(await runFilter(syslogPri, { use_labels: false }, { syslog_pri: '192' })).not.toHaveProperty('tags')
  const long = await runFilter(syslogPri, {}, '{"syslog_pri":123456789012345678901}')
  expect(long).toMatchObject({ syslog_severity_code: 5, tags: ['_syslogpriparsefailure'] })
})

test('a negative facility counts from the end of the names', async () => {
  expect(await runFilter(syslogPri, {}, { syslog_pri: -1 })).toMatchObject({ syslog_facility: 'local7' })
  expect(await runFilter(syslogPri, {}, { syslog_pri: -800 })).not.toHaveProperty('syslog_facility')
})

test('names of one’s own, or none', async () => {
  const own = { facility_labels: ['f0'], severity_labels: ['s0', 's1'] }
  expect(await runFilter(syslogPri, own, { syslog_pri: 1 })).toMatchObject({ syslog_facility: 'f0', syslog_severity: 's1' })
  expect(await runFilter(syslogPri, { use_labels: false }, { syslog_pri: 1 })).not.toHaveProperty('syslog_severity')
})

test.each(['v1', 'v8'] as const)('under ECS %s the fields are nested', async (ecs_compatibility) => {
  const context = testContext({ ecs_compatibility })
  expect(await runFilter(syslogPri, {}, { log: { syslog: { priority: 34 } } }, context)).toMatchObject({
    log: {
      syslog: {
        priority: 34,
        facility: { code: 4, name: 'security/authorization' },
        severity: { code: 2, name: 'critical' },
      },
    },
  })
  expect(await runFilter(syslogPri, {}, { log: 'text' }, context)).toMatchObject({
    log: 'text',
    tags: ['_syslogpriparsefailure'],
  })
})
