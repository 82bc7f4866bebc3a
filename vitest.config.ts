import { defineConfig } from 'vitest/config'
import { CiReporter } from './test/helpers/ci-reporter.ts'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // Says why a test was skipped, and counts for the last line of CI.
    reporters: ['default', new CiReporter()],
    globalSetup: ['test/helpers/global-setup.ts'],
    pool: 'forks',
    // Real servers share two cores with the tests: two files at a time, and room for a slow start.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
