import { expect, test } from 'vitest'
import type { Fields } from '../../core/values.ts'
import { compileMustache } from './mustache.ts'

const FIELDS: Fields = {
  name: '<b>"x"</b>',
  n: 5,
  yes: true,
  no: false,
  none: null,
  a: { b: { c: 'deep' }, name: 'inner' },
  list: [{ v: 1 }, { v: 2 }],
  words: ['x', 'y'],
  empty: [],
}

test.each([
  ['plain', 'plain'],
  ['{{name}} {{ n }}', '&lt;b&gt;&quot;x&quot;&lt;/b&gt; 5'],
  ['{{{name}}}|{{& name }}', '<b>"x"</b>|<b>"x"</b>'],
  ['{{missing}}{{none}}|', '|'],
  ['{{a.b.c}} {{a.x.c}}', 'deep '],
  ['{{#list}}[{{v}} {{n}}]{{/list}}', '[1 5][2 5]'],
  ['{{#words}}{{.}},{{/words}}', 'x,y,'],
  ['{{#a}}{{name}} {{#b}}{{c}}{{/b}}{{/a}}', 'inner deep'],
  ['{{#yes}}y{{/yes}}{{#no}}n{{/no}}{{#empty}}e{{/empty}}{{#none}}0{{/none}}', 'y'],
  ['{{^yes}}y{{/yes}}{{^no}}n{{/no}}{{^empty}}e{{/empty}}{{^missing}}m{{/missing}}', 'nem'],
  ['a{{! nobody sees this }}b', 'ab'],
  ['{{__proto__}}{{constructor}}{{a.constructor}}', ''],
  ['{ {x} } {{', '{ {x} } {{'],
])('%s', (template, expected) => {
  expect(compileMustache(template)(FIELDS)).toBe(expected)
})

test.each(['{{#a}}', '{{/a}}', '{{#a}}{{#b}}{{/a}}{{/b}}', '{{> partial}}', '{{=<% %>=}}'])('%s is refused', (template) => {
  expect(() => compileMustache(template)).toThrow(SyntaxError)
})
