import { writeFileSync } from 'node:fs'
import type { Reporter, TestModule } from 'vitest/node'

/**
 * Says at the end which tests were skipped and why, and, where MILLRACE_TEST_COUNTS names a file, writes into it the line
 * `N passed, N failed, N skipped`. A module that could
 * not be loaded, a suite whose set-up failed and an unhandled error count as one failure each.
 */
export class CiReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    const reasons: string[] = []
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (result.state === 'passed') counts.passed++
        else if (result.state === 'failed') counts.failed++
        else {
          counts.skipped++
          const reason = result.state === 'skipped' ? (result.note ?? 'no reason given') : 'not run'
          reasons.push(`  ${module.relativeModuleId} > ${test.fullName}: ${reason}`)
        }
      }
      for (const group of [module, ...module.children.allSuites()]) if (group.errors().length > 0) counts.failed++
    }
    if (reasons.length > 0) process.stdout.write(`\nSkipped, with the reason:\n${reasons.join('\n')}\n`)
    const file = process.env['MILLRACE_TEST_COUNTS']
    const line = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`
    if (file !== undefined && file !== '') writeFileSync(file, line)
  }
}
