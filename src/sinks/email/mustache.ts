import { textOf } from '../../core/template.ts'
import { type Fields, isFields, member, type Value } from '../../core/values.ts'

/** Fills a text with values. */
export type Render = (fields: Fields) => string

type Part = string | { readonly path: readonly string[]; readonly escaped: boolean } | Section

interface Section {
  readonly path: readonly string[]
  readonly inverted: boolean
  readonly parts: Part[]
}

/** Values by name, the innermost section last. */
type Scopes = readonly Value[]

/**
 * Compiles a Mustache template: `{{name}}` (HTML characters escaped), `{{{name}}}` and `{{&name}}`, `{{#name}}…{{/name}}` (once for
 * each item of a list, or where there is something), `{{^name}}…{{/name}}`, `{{a.b}}`, `{{.}}`, `{{! comment}}`.
 * @throws SyntaxError for a section without an end, and for partials and other delimiters, which there are none of
 */
export function compileMustache(template: string): Render {
  const root: Section = { path: [], inverted: false, parts: [] }
  const open: Section[] = [root]
  let at = 0
  for (const found of template.matchAll(TAG)) {
    const current = open.at(-1) ?? root
    current.parts.push(template.slice(at, found.index))
    at = found.index + found[0].length
    const raw = found[1]
    const [, kind = '', name = ''] =
      raw === undefined ? (/^([#^/!&>=]?)\s*(.*?)\s*$/s.exec(found[2] ?? '') ?? []) : ['', '&', raw.trim()]
    const path = name === '.' ? [] : name.split('.')
    if (kind === '!') continue
    if (kind === '>' || kind === '=') throw new SyntaxError(`{{${kind}…}} is not understood: ${found[0]}`)
    if (kind === '#' || kind === '^') {
      const section: Section = { path, inverted: kind === '^', parts: [] }
      current.parts.push(section)
      open.push(section)
    } else if (kind === '/') {
      const closed = open.pop()
      if (open.length === 0 || closed?.path.join('.') !== path.join('.'))
        throw new SyntaxError(`${found[0]} closes what is not open`)
    } else {
      current.parts.push({ path, escaped: kind === '' })
    }
  }
  if (open.length > 1) throw new SyntaxError(`{{/${open.at(-1)?.path.join('.')}}} is missing`)
  root.parts.push(template.slice(at))
  return (fields) => render(root.parts, [fields])
}

const TAG = /\{\{\{([^}]*)\}\}\}|\{\{([^}]*)\}\}/g

function render(parts: readonly Part[], scopes: Scopes): string {
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') text += part
    else if ('parts' in part) text += renderSection(part, scopes)
    else text += print(find(part.path, scopes), part.escaped)
  }
  return text
}

function renderSection({ path, inverted, parts }: Section, scopes: Scopes): string {
  const value = find(path, scopes) ?? null
  const is_empty = value === null || value === false || (Array.isArray(value) && value.length === 0)
  if (inverted) return is_empty ? render(parts, scopes) : ''
  if (is_empty) return ''
  const items = Array.isArray(value) ? value : [value]
  return items.map((item) => render(parts, [...scopes, item])).join('')
}

/** The first name is looked for from the inside to the outside, the others in what it names. */
function find([first, ...rest]: readonly string[], scopes: Scopes): Value | undefined {
  if (first === undefined) return scopes.at(-1)
  const scope = scopes.findLast((candidate) => isFields(candidate) && member(candidate, first) !== undefined)
  let value = isFields(scope) ? member(scope, first) : undefined
  for (const name of rest) value = isFields(value) ? member(value, name) : undefined
  return value
}

const ENTITIES: { readonly [char: string]: string } = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function print(value: Value | undefined, escaped: boolean): string {
  const text = value === undefined || value === null ? '' : textOf(value)
  return escaped ? text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char) : text
}
