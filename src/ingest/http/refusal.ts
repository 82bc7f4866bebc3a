/** A request that is answered with an error. Never leaves this folder. */
export class Refusal extends Error {
  readonly status: 400 | 401 | 413 | 415 | 429 | 500 | 503

  /** @param message the body of the answer: what was expected and what came */
  constructor(status: Refusal['status'], message: string) {
    super(message)
    this.name = 'Refusal'
    this.status = status
  }
}
