import { inject } from 'vitest'
import type { Unavailable } from './servers.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where global-setup.ts answers; it starts a shared server on the first question for it. */
    readonly serversUrl: string | undefined
  }
}

/** The broker that all test files of this run share. Take topics and groups with names of your own; start your own to stop it. */
export async function sharedKafka(): Promise<{ readonly brokers: readonly string[] } | Unavailable> {
  return ask('kafka')
}

/** The node that all test files of this run share. Take indices with names of your own; start your own to stop it. */
export async function sharedElasticsearch(major: 8 | 9): Promise<{ readonly url: string } | Unavailable> {
  return ask(`elasticsearch-${major}`)
}

async function ask<T>(name: string): Promise<T> {
  const url = inject('serversUrl')
  if (url === undefined)
    throw new Error('shared servers need test/helpers/global-setup.ts among the globalSetup of vitest.config.ts')
  const response = await fetch(`${url}/${name}`)
  const answer = await response.text()
  if (!response.ok) throw new Error(answer)
  return JSON.parse(answer) as T
}
