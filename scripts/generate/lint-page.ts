import type { Rule } from '../../src/cli/lint/rule.ts'

/** docs/lint.md: what each rule finds, with a config that has it and one that has not. */
export function lintPage(rules: readonly Rule[]): string {
  const parts = rules.map(
    ({ name, summary, fires, quiet, fixed }) => `## ${name}

${summary}

\`\`\`
${fires}
\`\`\`

${fixed === undefined ? 'Better' : 'With `--fix`'}:

\`\`\`
${fixed ?? quiet}
\`\`\`
`,
  )
  return `# What \`millrace lint\` finds

\`bin/millrace lint FILE\` reads a \`logstash.conf\` (a file, folder or glob) and tells of habits that are valid and work out badly, most of
them in Logstash as well. \`--fix\` rewrites the file where a rule knows how, \`--json\` prints one object per finding, and the exit code
is 1 where something was found. A comment \`# lint: allow RULE\` on the line or the one before it keeps quiet about one place.

This page is generated from the rules in \`src/cli/lint/rules/\`; its examples run as tests.

${parts.join('\n')}`
}
