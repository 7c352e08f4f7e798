/** Tasks that must not overlap: each begins when the one before it has ended, however it did. */
export class OneByOne {
  #last: Promise<unknown> = Promise.resolve();

  /** @returns what the task returns, or its error, which concerns nobody else */
  run<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#last.then(task);
    this.#last = done.catch(() => {});
    return done;
  }
}
