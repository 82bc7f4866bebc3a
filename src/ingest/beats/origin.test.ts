import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Fields } from '../../core/values.ts'
import { type BeatsOrigin, BeatsOrigins } from './origin.ts'

interface Line {
  readonly [name: string]: unknown
}

const BASE: Line = {
  '@timestamp': '2024-05-01T08:00:00.123Z',
  '@metadata': { beat: 'filebeat', version: '8.17.0' },
  log: { offset: 311, file: { path: '/var/log/a.log', device_id: '64769', inode: '1234' } },
  host: { name: 'mx-01' },
  agent: { name: 'mx-01', version: '8.17.0', ephemeral_id: 'e1' },
  input: { type: 'filestream' },
  message: 'order accepted',
}

const origins = new BeatsOrigins('beats', '10.0.0.7:51312')

function originOf(line: Line): BeatsOrigin {
  const json = JSON.stringify(line)
  const fields = JSON.parse(json) as Fields
  return origins.of({ fields }, fields['message'], json)
}

const idOf = (line: Line): string | undefined => originOf(line).stableId()

test('it tells a person where the line stands', () => {
  expect(originOf(BASE).describe()).toBe('10.0.0.7:51312 /var/log/a.log@311')
  expect(origins.peer.describe()).toBe('10.0.0.7:51312')
})

describe('the id', () => {
  test('is short, and the same for the same line however it comes again', () => {
    expect(idOf(BASE)).toMatch(/^[\w-]{27}$/)
    expect(idOf({ ...BASE })).toBe(idOf(BASE))
    const later = {
      ...BASE,
      '@timestamp': '2024-05-02T00:00:00.000Z',
      agent: { name: 'mx-01', version: '8.18.0', ephemeral_id: 'e2' },
    }
    expect(idOf(later)).toBe(idOf(BASE))
  })

  test('is the same under the new name of a rotated file whose fingerprint is known', () => {
    const named = (path: string, fingerprint?: string): string | undefined =>
      idOf({ ...BASE, log: { offset: 311, file: { path, inode: '7', ...(fingerprint === undefined ? {} : { fingerprint }) } } })
    expect(named('/var/log/a.log.1', 'f00d')).toBe(named('/var/log/a.log', 'f00d'))
    expect(named('/var/log/a.log', 'beef')).not.toBe(named('/var/log/a.log', 'f00d'))
    // The next file may get the inode.
    expect(named('/var/log/a.log.1')).not.toBe(named('/var/log/a.log'))
  })

  test('is what it was in earlier versions: Elasticsearch knows lines by it', () => {
    const of_fingerprint = { offset: 1, file: { path: 'p', fingerprint: 'f00d' } }
    expect(idOf(BASE)).toBe('Hgdksu7dn3iMv3dbnbob7FEuRow')
    expect(originOf(BASE).withOrdinal(2).stableId()).toBe('gbSBCPv1y-gXVVtEUPLatzibpn8')
    expect(idOf({ ...BASE, message: 'zażółć \u{1f600} \ud800' })).toBe('oE4Vpt0jc3UCMni-XWfdPRMfyLY')
    expect(idOf({ ...BASE, level: 'info' })).toBe('pM00kN4lytTzA4BwYswGwf0eYAk')
    expect(idOf({ ...BASE, log: of_fingerprint })).toBe('k1kfeNYBveWCIrRMPGLkB0hPOi0')
  })

  test('is of the parts behind their lengths, whatever stands in them and from whichever file the last line was', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '-', '1:a', '漢'.repeat(9_000)))
    const part = fc.option(text, { nil: undefined })
    const line = fc.record({ name: part, path: text, inode: part, fingerprint: part, offset: text, message: text })
    const partOf = (value: string | undefined): string => (value === undefined ? '-' : `${value.length}:${value}`)
    fc.assert(
      fc.property(fc.array(fc.tuple(line, fc.nat(2)), { minLength: 1, maxLength: 5 }), (lines) => {
        for (const [{ name, path, inode, fingerprint, offset, message }, ordinal] of lines) {
          const file =
            fingerprint === undefined ? [path, undefined, inode, undefined] : [undefined, undefined, undefined, fingerprint]
          const parts = [name, ...file, offset, message].map(partOf).join('')
          const id = createHash('sha1')
            .update(`${ordinal === 0 ? '' : `${ordinal};`}${parts}`)
            .digest('base64url')
          const fields = { agent: { name }, log: { offset, file: { path, inode, fingerprint } }, message } as Fields
          const origin = origins.of({ fields }, message, '').withOrdinal(ordinal)
          expect([origin.stableId(), origin.stableId()]).toEqual([id, id])
        }
      }),
    )
  })

  test('differs with whatever tells lines apart', () => {
    const log = BASE['log'] as { file: object }
    const others: Line[] = [
      { ...BASE, message: 'order refused' },
      { ...BASE, log: { ...log, offset: 312 } },
      { ...BASE, log: { ...log, file: { ...log.file, path: '/var/log/b.log' } } },
      { ...BASE, log: { ...log, file: { ...log.file, inode: '1235' } } },
      { ...BASE, log: { ...log, file: { ...log.file, device_id: '1' } } },
      { ...BASE, log: { ...log, file: { ...log.file, fingerprint: 'f' } } },
      { ...BASE, agent: { name: 'mx-02' } },
      { ...BASE, level: 'info' },
    ]
    const ids = new Set([BASE, ...others].map(idOf))
    expect(ids.size).toBe(others.length + 1)
    expect(ids.has(undefined)).toBe(false)
  })

  test('of a line that Filebeat decoded covers all its fields, in any order, at any depth', () => {
    const decoded = { ...BASE, order: { id: 1, sides: ['buy', { a: 1, b: 2 }] }, level: 'info' }
    expect(idOf({ level: 'info', order: { sides: ['buy', { b: 2, a: 1 }], id: 1 }, ...BASE })).toBe(idOf(decoded))
    expect(idOf({ ...decoded, order: { id: 2, sides: ['buy', { a: 1, b: 2 }] } })).not.toBe(idOf(decoded))
    expect(idOf({ ...decoded, order: { id: 1, sides: ['buy', { a: 1, b: 3 }] } })).not.toBe(idOf(decoded))
  })

  test('does not change when a filter changes the event', () => {
    const json = JSON.stringify(BASE)
    const fields = JSON.parse(json) as Fields
    const origin = origins.of({ fields }, fields['message'], json)
    fields['message'] = 'changed'
    fields['log'] = {}
    expect(origin.stableId()).toBe(idOf(BASE))
  })

  test('of Beats 6 is of source and offset', () => {
    const line = { beat: { hostname: 'h', name: 'n' }, source: '/v/a.log', offset: 5, message: 'm', prospector: { type: 'log' } }
    expect(originOf(line).describe()).toBe('10.0.0.7:51312 /v/a.log@5')
    expect(idOf(line)).not.toBe(idOf({ ...line, offset: 6 }))
    expect(idOf({ source: '/v/a.log', offset: 5, message: 'm' })).toBeUndefined()
  })

  test('is not there for events without a place: two of them may be equal', () => {
    expect(idOf({ message: 'm', host: { name: 'h' } })).toBeUndefined()
    expect(idOf({ ...BASE, log: { file: { path: '/v/a.log' } } })).toBeUndefined()
  })

  test('of several events of one line differs', () => {
    const origin = originOf(BASE)
    expect(new Set([origin, origin.withOrdinal(1), origin.withOrdinal(2)].map((one) => one.stableId())).size).toBe(3)
    expect(originOf(BASE).withOrdinal(0).stableId()).toBe(origin.stableId())
  })

  test('is never the same for different lines, and does not fail, whatever stands in them', () => {
    const place = fc.record({
      path: fc.string(),
      offset: fc.oneof(fc.nat(), fc.string()),
      message: fc.string(),
      extra: fc.jsonValue(),
    })
    const lineOf = ({
      path,
      offset,
      message,
      extra,
    }: {
      path: string
      offset: unknown
      message: string
      extra: unknown
    }): Line => ({
      log: { offset, file: { path } },
      message,
      extra,
    })
    fc.assert(
      fc.property(place, place, (one, other) => {
        const [first, second] = [lineOf(one), lineOf(other)].map((line) => JSON.parse(JSON.stringify(line)) as Line)
        const isSame = JSON.stringify(first) === JSON.stringify(second)
        if (!isSame && String(one.offset) !== String(other.offset)) expect(idOf(first ?? {})).not.toBe(idOf(second ?? {}))
        if (isSame) expect(idOf(first ?? {})).toBe(idOf(second ?? {}))
      }),
    )
  })
})
