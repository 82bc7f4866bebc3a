import { SUBSTITUTES } from '../../src/compile/substitutes.ts'

/** docs/substitutes.md: each plugin of Logstash that is not here, and what does its work. */
export function substitutesPage(): string {
  const tables = (['input', 'filter', 'output', 'codec'] as const).map((kind) => {
    const rows = Object.entries(SUBSTITUTES[kind])
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, instead]) => `| ${name} | ${instead.replaceAll('|', '\\|')} |`)
    return `## ${kind[0]?.toUpperCase()}${kind.slice(1)}s\n\n| Logstash's | use instead |\n|---|---|\n${rows.join('\n')}\n`
  })
  return `# Plugins that are not here

A config that names one of them is refused at its line, with the same words. This page is generated from \`src/compile/substitutes.ts\`.

${tables.join('\n')}`
}
