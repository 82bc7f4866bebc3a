import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { requiredLiterals } from './literals.ts'
import { Matcher, type UserAgent } from './matcher.ts'
import { builtInRules, type Rule } from './rules.ts'

const RULES = builtInRules()
const AGENTS = [
  'Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15',
  'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.6045.163 Mobile Safari/537.36',
  'Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)',
  'Mozilla/5.0 (Linux; U; Android 4.0.3; de-de; GT-I9100 Build/IML74K) AppleWebKit/534.30 Version/4.0 Mobile Safari/534.30',
  'Opera/9.80 (Series 60; Opera Mini/6.5.27309/27.1169; U; ru) Presto/2.8.119 Version/11.10',
  'BlackBerry9700/5.0.0.862 Profile/MIDP-2.1 Configuration/CLDC-1.1 VendorID/331',
  'Exchange/1.0 CFNetwork/1410.0.3 Darwin/22.6.0',
  'kube-probe/1.27',
  'Prometheus/2.48.0',
]

/** The number of the first rule that matches, by trying each. */
function tryEach(rules: readonly Rule[]): (text: string) => number {
  const regexes = rules.map(([regex, flags]) => new RegExp(regex, flags))
  return (text) => regexes.findIndex((regex) => regex.test(text))
}

test.each([
  ['(GeoEvent Server) (\\d+)(?:\\.(\\d+)|)', [['geoevent server']]],
  [
    '(Collector|Explorer)-(?:Android|iOS)-(\\d+)',
    [
      ['collector', 'explorer'],
      ['android', 'ios'],
    ],
  ],
  ['(?:foo|b)ar', []],
  ['fo?obar', [['obar']]],
  ['foo+bar', [['foo'], ['bar']]],
  ['foo*bar', [['bar']]],
  ['(?:foobar)?baz', [['baz']]],
  ['(?:foobar){0,2}', []],
  ['(?!foobar)x', []],
  ['(?<!foobar) quux', [[' quux']]],
  ['a\\.b\\/c', [['a.b/c']]],
  ['[Bb]ot\\d', [['bot']]],
  ['[abc]ot', []],
  ['\\bfoo\\sbarbar', [['foo'], ['barbar']]],
  ['(foo(barbar)|bazbaz)qux', [['barbar', 'bazbaz'], ['qux']]],
  ['^.{0,200}$', []],
  ['', []],
])('a text that %s matches holds one of each of %j', (source, choices) => {
  expect(requiredLiterals(source)).toEqual(choices)
})

test('what a rule matches holds one of each of its literals', () => {
  const rules = [...RULES.user_agents, ...RULES.systems, ...RULES.devices]
  // Making texts takes time: every fifth rule.
  for (const [regex, flags] of rules.filter((_, index) => index % 5 === 0)) {
    let texts: string[]
    try {
      texts = fc.sample(fc.stringMatching(new RegExp(regex, flags)), { numRuns: 1, seed: 1 })
    } catch {
      continue // Look-arounds and flags cannot be generated.
    }
    for (const text of texts) {
      const lower = text.toLowerCase()
      for (const choice of requiredLiterals(regex)) {
        expect(
          choice.some((literal) => lower.includes(literal)),
          `${regex} on ${text}`,
        ).toBe(true)
      }
    }
  }
})

test('the same rules are found as by trying each', () => {
  // Rules that tell their own number.
  const numbered = (rules: readonly Rule[]): Rule[] => rules.map(([regex, flags], index) => [regex, flags, `#${index}`])
  const matcher = new Matcher({
    user_agents: numbered(RULES.user_agents),
    systems: numbered(RULES.systems),
    devices: numbered(RULES.devices),
  })
  const [browserOf, systemOf, deviceOf] = [tryEach(RULES.user_agents), tryEach(RULES.systems), tryEach(RULES.devices)]
  const expected = (text: string): unknown => ({ browser: browserOf(text), system: systemOf(text), device: deviceOf(text) })
  const found = ({ browser, system, device }: UserAgent): unknown => {
    const number = (name: string): number => (name === 'Other' ? -1 : Number(name.slice(1)))
    return { browser: number(browser.name), system: number(system.name), device: number(device) }
  }
  const words = AGENTS.flatMap((agent) => agent.split(/(?<=[ ;/)])/))
  const mixed = fc.array(fc.constantFrom(...words), { maxLength: 12 }).map((parts) => parts.join(''))
  for (const agent of AGENTS) expect(found(matcher.match(agent))).toEqual(expected(agent))
  fc.assert(
    fc.property(mixed, (text) => {
      expect(found(matcher.match(text))).toEqual(expected(text))
    }),
    { numRuns: 60 },
  )
})
