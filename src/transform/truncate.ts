import { defineFilter } from '../core/component.ts'
import { fieldRefOf } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'
import { type Fields, isFields, setMember, type Value } from '../core/values.ts'

export const truncate = defineFilter({
  name: 'truncate',
  summary: 'Cuts texts that are longer than a number of bytes.',
  description: `
The length counts the bytes of UTF-8; no character is cut in two, so that a text may end up a few bytes shorter. In a
map all texts are cut, at any depth; in a list its own texts, not those of lists and maps in it. Without \`fields\` all
fields are cut, tags too, metadata not. The common options act only where something was cut.
`.trim(),
  options: {
    fields: option.fieldRefs('Fields to cut. Default: all.'),
    length_bytes: option.integer('The most bytes that a text keeps.', { required: true, min: 0 }),
  },
  examples: [
    {
      title: 'One field',
      options: { fields: ['message'], length_bytes: 5, add_tag: ['cut'] },
      before: { message: 'Grüße aus Köln', note: 'Grüße aus Köln' },
      after: { message: 'Grü', note: 'Grüße aus Köln', tags: ['cut'] },
    },
    {
      title: 'All fields',
      options: { length_bytes: 3 },
      before: { a: 'abcdef', b: { c: ['ghijkl', 1234567] } },
      after: { a: 'abc', b: { c: ['ghi', 1234567] } },
    },
  ],
  compile({ fields, length_bytes }, context) {
    const cut = (value: Value): Value => cutValue(value, length_bytes)
    return (event) => {
      let isCut = false
      for (const ref of fields ?? event.names().map((name) => fieldRefOf([name]))) {
        const value = event.get(ref)
        if (value === undefined) continue
        const shorter = cut(value)
        if (shorter === value) continue
        event.set(ref, shorter)
        isCut = true
      }
      if (isCut) context.matched(event)
    }
  },
})

/** The same object where nothing in it was too long. */
function cutValue(value: Value, length: number): Value {
  if (typeof value === 'string') return cutText(value, length)
  if (Array.isArray(value)) {
    const items = value.map((item) => (typeof item === 'string' ? cutText(item, length) : item))
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  if (!isFields(value)) return value
  let changed: Fields | undefined
  for (const name of Object.keys(value)) {
    const inner = value[name]
    if (inner === undefined) continue
    const shorter = cutValue(inner, length)
    if (shorter === inner) continue
    changed ??= { ...value }
    setMember(changed, name, shorter)
  }
  return changed ?? value
}

/** No text takes more bytes than three for each of JavaScript's units. */
const BYTES_PER_UNIT_MAX = 3

function cutText(text: string, length: number): string {
  if (text.length * BYTES_PER_UNIT_MAX <= length) return text
  const bytes = Buffer.from(text)
  if (bytes.length <= length) return text
  let end = length
  // Bytes that continue a character are 10xxxxxx.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
