import { describe, expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { runFilter } from '../../test/helpers/run-filter.ts'
import type { EcsCompatibility } from '../core/plan.ts'
import { compileRegex } from '../core/regex/regex.ts'
import { grok } from '../transform/grok/grok.ts'
import { Expander } from './expand.ts'
import { builtInPatterns } from './pattern-sets.ts'

describe.each([
  ['legacy', 317],
  ['ecs', 362],
] as const)('the set %s', (set, count) => {
  const patterns = builtInPatterns(set)
  const known = { builtIn: patterns, own: new Map<string, string>() }

  test(`has ${count} patterns`, () => {
    expect(patterns.size).toBe(count)
  })

  test.each([...patterns.keys()])('%s compiles to a native expression', (name) => {
    const { source } = new Expander(known, true).expand(`%{${name}}`)
    const regex = compileRegex(source, 'm')
    expect(Object.getPrototypeOf(regex)).toBe(RegExp.prototype)
    expect(() => regex.exec('x')).not.toThrow()
  })

  test('every field is of its own kind', () => {
    for (const name of patterns.keys()) {
      for (const { field } of new Expander(known, true).expand(`%{${name}}`).captures) {
        expect(field).toMatch(set === 'ecs' ? /^(?:timestamp|message|(?:\[[@\w]+\])+)$/ : /^[\w-]+$/)
      }
    }
  })
})

/** What a pattern alone takes of a text. */
function taken(name: string, text: string): string | undefined {
  const { source } = new Expander({ builtIn: builtInPatterns('ecs'), own: new Map() }, true).expand(`%{${name}}`)
  return compileRegex(source, 'm').exec(text)?.[0]
}

test.each<[name: string, text: string, expected: string | undefined]>([
  ['USERNAME', ' a.b-c_1@x', 'a.b-c_1'],
  ['EMAILADDRESS', 'to: a.b+c@mail.example.com;', 'a.b+c@mail.example.com'],
  ['INT', 'a-12.5', '-12'],
  ['NUMBER', 'x 12.50.', '12.50'],
  ['NUMBER', '.5', '.5'],
  ['NUMBER', '1.2.3', '1.2'],
  ['NUMBER', 'a', undefined],
  ['BASE16NUM', '0x1aF', '0x1aF'],
  ['BASE16FLOAT', '0x1.8', '0x1.8'],
  ['POSINT', 'a 012 12', '12'],
  ['NONNEGINT', 'a 012', '012'],
  ['QUOTEDSTRING', 'x "a \\"b\\" c" "d"', '"a \\"b\\" c"'],
  ['QUOTEDSTRING', "'' x", "''"],
  ['QUOTEDSTRING', '"open', undefined],
  ['QS', '`a`', '`a`'],
  ['UUID', 'id=123e4567-e89b-12d3-a456-426614174000', '123e4567-e89b-12d3-a456-426614174000'],
  ['URN', 'urn:isbn:0451450523 x', 'urn:isbn:0451450523'],
  ['MAC', '00:1B:44:11:3A:B7', '00:1B:44:11:3A:B7'],
  ['MAC', '001b.4411.3ab7', '001b.4411.3ab7'],
  ['IPV4', '1.2.3.4', '1.2.3.4'],
  ['IPV4', '256.1.1.1', undefined],
  ['IPV4', '1.2.3.4567', undefined],
  ['IPV6', '2001:db8::1', '2001:db8::1'],
  ['IPV6', '64:ff9b:0:0:0:0:192.0.2.1', '64:ff9b:0:0:0:0:192.0.2.1'],
  ['IPV6', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['IPV6', 'fe80::1%eth0', 'fe80::1%eth0'],
  ['IPV6', '::', '::'],
  ['HOSTNAME', 'db-1.example.com.', 'db-1.example.com.'],
  ['HOSTPORT', 'example.com:8080/', 'example.com:8080'],
  ['UNIXPATH', 'in /var/log/a b', '/var/log/a'],
  ['WINPATH', 'C:\\a b\\c?', 'C:\\a b\\c'],
  ['TTY', '/dev/pts/12', '/dev/pts/12'],
  ['URI', '<https://u:p@h.com:1/p?q=1#f>', 'https://u:p@h.com:1/p?q=1#f>'],
  ['MONTH', 'x März y', 'März'],
  ['MONTH', 'Decembers', undefined],
  ['MONTHDAY', '31', '31'],
  ['YEAR', '2024', '2024'],
  ['TIME', 'at 23:59:60,123', '23:59:60,123'],
  ['TIME', '1:02', undefined],
  ['DATE', '12/31/2024', '12/31/2024'],
  ['TIMESTAMP_ISO8601', '2024-01-02T03:04:05.678+01:00', '2024-01-02T03:04:05.678+01:00'],
  ['TIMESTAMP_ISO8601', '2024-01-02 03:04', '2024-01-02 03:04'],
  ['DATESTAMP_RFC822', 'Tue Jan 02 2024 03:04:05 UTC', 'Tue Jan 02 2024 03:04:05 UTC'],
  ['DATESTAMP_RFC2822', 'Tue, 2 Jan 2024 03:04:05 +0100', 'Tue, 2 Jan 2024 03:04:05 +0100'],
  ['DATESTAMP_EVENTLOG', '20240102030405', '20240102030405'],
  ['HTTPDATE', '10/Oct/2000:13:55:36 -0700', '10/Oct/2000:13:55:36 -0700'],
  ['SYSLOGTIMESTAMP', 'Jan  2 03:04:05', 'Jan  2 03:04:05'],
  ['PROG', 'postfix/smtpd[1]', 'postfix/smtpd'],
  ['LOGLEVEL', '[Information]', 'Information'],
  ['LOGLEVEL', 'EMERGENCY', 'EMERGENCY'],
  ['JAVACLASS', 'com.example.A$B', 'com.example.A$B'],
  ['MAVEN_VERSION', '1.2.3-SNAPSHOT', '1.2.3-SNAPSHOT'],
  ['EXIM_MSGID', '1a2B3c-000123-Xy', '1a2B3c-000123-Xy'],
  ['CISCO_REASON', 'No matching connection for', 'No matching connection'],
])('%s takes of %j %j', (name, text, expected) => {
  expect(taken(name, text)).toBe(expected)
})

interface Fields {
  readonly [name: string]: unknown
}

const TOMCAT = '31-Jul-2020 16:40:38.578 INFO [main] org.apache.catalina.core.StandardService.startInternal Starting'
const RUBY = 'D, [2024-01-02T03:04:05.678 #12] DEBUG -- app: hello'
const ASA = 'Built inbound TCP connection 12 for outside:192.0.2.1/5000 (192.0.2.1/5000) to inside:10.0.0.1/80 (10.0.0.1/80)'
const NAGIOS = '[1427925600] CURRENT SERVICE STATE: web1;SSH;OK;HARD;1;SSH OK'
const HAPROXY =
  'Dec  9 13:01:26 lb haproxy[28029]: 127.0.0.1:39759 [09/Dec/2013:12:59:46.633] in be/srv 0/51536/1/48082/99627 200 83285 - - ---- 87/87/87/1/0 67/0 {h} {r} "GET /a HTTP/1.1"'
const ELB =
  '2014-02-15T23:39:43.945958Z lb 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 404 0 29 "GET http://www.example.com:80/a?b=1 HTTP/1.1"'
const EXIM = '2014-12-10 14:58:27 1XyRgu-0001GI-Fy <= ab@example.com H=mx [192.0.2.1]:25 P=esmtp S=2811'
const BIND =
  '17-Feb-2018 23:06:56.326 queries: info: client 172.26.0.1#12345 (test.example.com): query: test.example.com IN A +E(0)K (172.26.0.3)'

test.each<[name: string, text: string, legacy: Fields | undefined, ecs: Fields]>([
  [
    'COMMONAPACHELOG',
    '::1 - - [10/Oct/2000:13:55:36 -0700] "-" 408 -',
    { clientip: '::1', ident: '-', auth: '-', rawrequest: '-', response: '408' },
    { source: { address: '::1' }, http: { response: { status_code: 408 } } },
  ],
  [
    'HTTPD_ERRORLOG',
    '[Mon Aug 31 16:27:04.163 2015] [mod:error] [pid 17:tid 18] [client 192.0.2.1:900] AH01: x',
    {
      module: 'mod',
      loglevel: 'error',
      pid: '17',
      tid: '18',
      clientip: '192.0.2.1',
      clientport: '900',
      errorcode: 'AH01',
      message: 'x',
    },
    {
      log: { level: 'error' },
      process: { pid: 17, thread: { id: 18 } },
      source: { address: '192.0.2.1', port: 900 },
      error: { code: 'AH01' },
    },
  ],
  [
    'SYSLOG5424LINE',
    '<191>1 2009-06-30T18:30:00+02:00 h app 12 - [id@1 a="b"] text',
    {
      syslog5424_pri: '191',
      syslog5424_app: 'app',
      syslog5424_proc: '12',
      syslog5424_sd: '[id@1 a="b"]',
      syslog5424_msg: 'text',
    },
    { log: { syslog: { priority: 191 } }, process: { name: 'app', pid: 12 }, host: { hostname: 'h' }, message: 'text' },
  ],
  [
    'CRONLOG',
    'Jan 11 10:40:01 h CROND[30620]: (root) CMD (run-parts)',
    { user: 'root', action: 'CMD', message: 'run-parts', program: 'CROND', pid: '30620' },
    { user: { name: 'root' }, system: { cron: { action: 'CMD' } }, process: { name: 'CROND', pid: 30620 } },
  ],
  ['CATALINALOG', TOMCAT, undefined, { log: { level: 'INFO', origin: { function: 'startInternal' } }, message: 'Starting' }],
  [
    'JAVASTACKTRACEPART',
    '  at com.a.B.run(B.java:12)',
    { class: 'com.a.B', method: 'run', file: 'B.java', line: '12' },
    {
      java: { log: { origin: { class: { name: 'com.a.B' } } } },
      log: { origin: { function: 'run', file: { name: 'B.java', line: 12 } } },
    },
  ],
  [
    'RUBY_LOGGER',
    RUBY,
    { pid: '12', loglevel: 'DEBUG', progname: 'app' },
    { process: { pid: 12, name: 'app' }, log: { level: 'DEBUG' } },
  ],
  [
    'CISCOFW302013_302014_302015_302016',
    ASA,
    {
      action: 'Built',
      direction: 'inbound',
      protocol: 'TCP',
      src_interface: 'outside',
      src_port: '5000',
      dst_mapped_ip: '10.0.0.1',
    },
    {
      cisco: { asa: { outcome: 'Built', connection_id: '12', network: { direction: 'inbound', transport: 'TCP' } } },
      observer: { ingress: { interface: { name: 'outside' } }, egress: { interface: { name: 'inside' } } },
      source: { ip: '192.0.2.1', port: 5000, nat: { ip: '192.0.2.1', port: 5000 } },
    },
  ],
  [
    'NAGIOSLOGLINE',
    NAGIOS,
    { nagios_epoch: '1427925600', nagios_type: 'CURRENT SERVICE STATE', nagios_statetype: 'HARD', nagios_statecode: '1' },
    {
      timestamp: '1427925600',
      service: { name: 'SSH', state: 'OK' },
      nagios: { log: { state_type: 'HARD', attempt: 1 } },
      message: 'SSH OK',
    },
  ],
  [
    'HAPROXYHTTP',
    HAPROXY,
    {
      client_ip: '127.0.0.1',
      backend_name: 'be',
      server_name: 'srv',
      time_duration: '99627',
      captured_request_headers: 'h',
      http_request: '/a',
    },
    { haproxy: { server_name: 'srv', total_time_ms: '99627', connections: { active: 87 } }, url: { path: '/a', original: '/a' } },
  ],
  [
    'ELB_ACCESS_LOG',
    ELB,
    { elb: 'lb', clientport: 2817, backendip: '10.0.0.1', response: 200, bytes: 29, verb: 'GET', port: '80', params: '?b=1' },
    {
      aws: { elb: { name: 'lb', backend: { port: 80 } } },
      url: { domain: 'www.example.com', port: 80, path: '/a', query: 'b=1' },
    },
  ],
  [
    'EXIM',
    EXIM,
    { exim_sender_email: 'ab@example.com', exim_msg_size: '2811', remote_port: '25', protocol: 'esmtp' },
    { exim: { log: { message: { size: 2811 } } } },
  ],
  ['BIND9', BIND, { clientport: '12345', dns: '172.26.0.3' }, { dns: { question: { name: 'test.example.com', type: 'A' } } }],
  [
    'SQUID3',
    '1525344856.899  16867 10.170.72.111 TCP_TUNNEL/200 6256 CONNECT logs.a.com:443 - HIER_DIRECT/35.201.112.1 -',
    { duration: '16867', cache_result: 'TCP_TUNNEL', status_code: '200', server: '35.201.112.1' },
    {
      squid: { request: { duration: 16867 }, hierarchy_code: 'HIER_DIRECT' },
      http: { response: { status_code: 200, bytes: 6256 } },
    },
  ],
  [
    'BACULA_LOGLINE',
    '26-Jan 10:11 h1 JobId 12: Ready to append to end of Volume "v1" size=5',
    { volume: 'v1', jobid: '12' },
    { bacula: { volume: { name: 'v1', size: 5 } } },
  ],
  [
    'REDISMONLOG',
    '1339518083.107412 [0 127.0.0.1:60866] "keys" "*"',
    { database: '0', client: '127.0.0.1', port: '60866', command: 'keys', params: '"*"' },
    { redis: { database: { id: '0' }, command: { name: 'keys', args: '"*"' } }, client: { port: 60866 } },
  ],
  [
    'MONGO3_LOG',
    '2014-11-03T18:28:32.450-0500 I NETWORK [initandlisten] waiting',
    { severity: 'I', component: 'NETWORK', context: 'initandlisten' },
    { log: { level: 'I' }, mongodb: { component: 'NETWORK', context: 'initandlisten' } },
  ],
  [
    'RT_FLOW3',
    'RT_FLOW_SESSION_DENY: session denied 1.1.1.1/1->2.2.2.2/2 None 6(0) p a b x',
    { event: 'RT_FLOW_SESSION_DENY', 'src-ip': '1.1.1.1', 'policy-name': 'p' },
    { juniper: { srx: { tag: 'RT_FLOW_SESSION_DENY' } }, rule: { name: 'p' } },
  ],
])('%s of %s', async (name, message, legacy, ecs) => {
  expect(await run(name, message, 'disabled')).toMatchObject(legacy ?? { tags: ['_grokparsefailure'] })
  expect(await run(name, message, 'v8')).toMatchObject(ecs)
})

test('iptables, which only the ECS set knows', async () => {
  const ends = 'SRC=192.0.2.1 DST=192.0.2.2 LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=1 DPT=2'
  const message = `IN=eth0 OUT= MAC=ff:ff:ff:ff:ff:ff:00:11:22:33:44:55:08:00 ${ends} WINDOW=512 RES=0x00 SYN `
  expect(await run('IPTABLES', message, 'v8')).toMatchObject({
    source: { ip: '192.0.2.1', port: 1 },
    iptables: { ttl: 64, fragment_flags: 'DF', tcp: { window: 512, flags: 'SYN ' } },
    network: { transport: 'TCP' },
  })
  await expect(run('IPTABLES', message, 'disabled')).rejects.toThrow('pattern %{IPTABLES} not defined')
})

async function run(name: string, m: string, ecs_compatibility: EcsCompatibility): Promise<Fields | null> {
  return await runFilter(grok, { match: { m: `^%{${name}}` }, ecs_compatibility }, { m }, testContext({ ecs_compatibility }))
}
