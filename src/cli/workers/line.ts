/** Lets one after the other do what two must not do at once. */
export class Line {
  #last: Promise<unknown> = Promise.resolve()

  async take<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(action)
    // Whoever took the turn hears of it.
    this.#last = turn.catch(() => {})
    return await turn
  }
}
