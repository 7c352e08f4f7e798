/** Steps of a start that are to be taken back, last first, when a later step fails or when the daemon stops. */
export class Undo {
  readonly #steps: (() => void | Promise<void>)[] = [];

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** Takes back everything, once; a step that fails does not keep the others from running. */
  async run(onError: (error: unknown) => void = () => {}): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        onError(error);
      }
    }
  }
}
