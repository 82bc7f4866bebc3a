import { FILTER_OPTIONS } from '../../src/compile/common-options.ts'
import { INPUT_OPTIONS } from '../../src/compile/input.ts'
import { OUTPUT_OPTIONS } from '../../src/compile/output.ts'
import type { AnySpec } from '../../src/core/component.ts'
import type { OptionSpecs } from '../../src/core/options/options.ts'

/** The options that a kind of component has beside each one's own. */
export const COMMON_OPTIONS: { readonly [kind in AnySpec['kind']]: OptionSpecs } = {
  input: INPUT_OPTIONS,
  filter: FILTER_OPTIONS,
  output: OUTPUT_OPTIONS,
  codec: {},
}

export function pageName(spec: AnySpec): string {
  return `${spec.kind}-${spec.name}.md`
}

const GENERATED = '<!-- Made by scripts/generate-docs.ts from the component specs: change those and run `npm run generate`. -->'

/** The docs page of one component. */
export function componentPage(spec: AnySpec): string {
  const common = Object.keys(COMMON_OPTIONS[spec.kind])
  return [
    GENERATED,
    `# ${spec.name} (${spec.kind})`,
    spec.summary,
    spec.description?.trim() ?? '',
    '## Options',
    optionTable(spec.options),
    common.length === 0
      ? ''
      : `And what every ${spec.kind} takes: ${common.map((name) => `\`${name}\``).join(', ')} ([meaning](README.md#every-${spec.kind})).`,
    oldOptions(spec),
    spec.examples.length === 0 ? '' : '## Examples',
    ...spec.examples.map((example) => exampleText(spec, example)),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n')
}

export function indexPage(specs: readonly AnySpec[]): string {
  const kinds = ['input', 'filter', 'output', 'codec'] as const
  const lists = kinds.map((kind) => {
    const rows = specs.filter((spec) => spec.kind === kind).map((spec) => `- [${spec.name}](${pageName(spec)}): ${spec.summary}`)
    const common = COMMON_OPTIONS[kind]
    const shared = Object.keys(common).length === 0 ? [] : [`### Every ${kind}`, optionTable(common)]
    return [`## ${kind[0]?.toUpperCase()}${kind.slice(1)}s`, rows.join('\n'), ...shared].join('\n\n')
  })
  return [GENERATED, '# Components', ...lists].join('\n\n').concat('\n')
}

function optionTable(options: OptionSpecs): string {
  const rows = Object.entries(options).map(([name, { type, required, default_value, summary }]) => {
    const preset = required ? 'required' : default_value === undefined ? '' : `\`${JSON.stringify(default_value)}\``
    return `| \`${name}\` | ${cell(type)} | ${cell(preset)} | ${cell(summary)} |`
  })
  if (rows.length === 0) return 'None of its own.'
  return ['| option | takes | default | |', '|---|---|---|---|', ...rows].join('\n')
}

function oldOptions({ renamed = {}, refused = {} }: AnySpec): string {
  const lines = [
    ...Object.entries(renamed).map(([old, name]) => `- \`${old}\` is the old name of \`${name}\`: taken, with a warning.`),
    ...Object.entries(refused).map(([name, reason]) => `- \`${name}\` cannot be honoured: ${reason}`),
  ]
  return lines.length === 0 ? '' : ['## Options with another name, or none', lines.join('\n')].join('\n\n')
}

function exampleText(spec: AnySpec, example: { title: string; options: object; before?: object; after?: object | null }): string {
  const config = JSON.stringify({ [spec.name]: example.options }, null, 2)
  const parts = [`### ${example.title}`, fence('json', config)]
  if (example.before !== undefined) {
    parts.push('Before:', fence('json', JSON.stringify(example.before, null, 2)), 'After:', afterText(example.after))
  }
  return parts.join('\n\n')
}

function afterText(after: object | null | undefined): string {
  if (after === null) return 'Nothing: the event is dropped.'
  const documents: readonly unknown[] = Array.isArray(after) ? after : [after]
  return documents.map((document) => fence('json', JSON.stringify(document, null, 2))).join('\n\n')
}

function fence(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``
}

/** Text that may stand in a table's cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
