import { setTimeout as wait } from 'node:timers/promises'
import { Backoff } from '../../core/backoff.ts'
import type { Context } from '../../core/context.ts'
import { messageOf } from '../../core/errors.ts'
import { type Answer, type ElasticsearchClient, RequestFailure } from './client.ts'
import { readRequestError } from './reply.ts'

const FIRST_DELAY_MS = 250
/** Not longer: a person who has just started Elasticsearch is waiting too. */
const DELAY_MAX_MS = 5_000

/** Something at the start that may be different the next time. */
export class NotReady extends Error {
  /** Waiting alone will not help. */
  readonly person_must_act: boolean

  constructor(message: string, person_must_act: boolean) {
    super(message)
    this.name = 'NotReady'
    this.person_must_act = person_must_act
  }
}

/**
 * Runs a step of the start until it succeeds, saying what is wrong meanwhile (the log makes one line of many).
 * @throws the signal's reason once it aborts; whatever the step throws beside NotReady and RequestFailure
 */
export async function untilReady<T>(step: () => Promise<T>, context: Context, signal: AbortSignal): Promise<T> {
  const backoff = new Backoff(FIRST_DELAY_MS, DELAY_MAX_MS)
  for (;;) {
    try {
      const result = await step()
      context.health.well()
      return result
    } catch (thrown) {
      signal.throwIfAborted()
      if (!(thrown instanceof NotReady) && !(thrown instanceof RequestFailure)) throw thrown
      const person_must_act = thrown instanceof NotReady ? thrown.person_must_act : thrown.code === 'OUTPUT_REFUSED'
      context.health.unwell(messageOf(thrown))
      const tail = `(output at ${context.where}). Events wait; it is tried again until it works`
      if (person_must_act) context.log.error('elasticsearch_not_ready', `${messageOf(thrown)} ${tail}`)
      else context.log.warn('elasticsearch_not_ready', `${messageOf(thrown)}: is Elasticsearch running there? ${tail}`)
    }
    await wait(backoff.next(), undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

/**
 * Asks whether Elasticsearch answers and lets us in. Minimal servers have no `GET /` (405) and restricted users may not
 * ask it (403): both are alive.
 * @throws NotReady
 */
export async function checkHealth(client: ElasticsearchClient, path: string, signal: AbortSignal): Promise<void> {
  const answer = await client.request({ method: 'GET', path, query: { filter_path: 'version.number' } }, signal)
  throwIfNotReady(answer, 'Elasticsearch')
}

/** @throws NotReady for an answer that is about the server or our credentials and not about what was asked */
export function throwIfNotReady(answer: Answer, what: string): void {
  const told = `${what} answers with ${tell(answer)}`
  if (answer.status === 401) {
    throw new NotReady(`${told}: the credentials are missing or wrong, check user and password or api_key`, true)
  }
  if (answer.status >= 500 || answer.status === 408 || answer.status === 429) throw new NotReady(told, false)
}

/** `status 403 security_exception: action [indices:admin/index_template/put] is unauthorized …` */
export function tell(answer: Answer): string {
  const { type, reason } = readRequestError(answer.text)
  return `status ${answer.status}${type === undefined ? '' : ` ${type}`}${reason === undefined ? '' : `: ${reason.slice(0, 200)}`}`
}
