/**
 * What must be undone at the end, however that comes: by itself, by an error, or by a signal. A terminal sends its signal
 * to all processes of the group at once, so children may be gone before their turn; what fails because of that is no
 * news.
 */

/** With the exit status that a shell expects of a process which one of them ended. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

export class Undo {
  readonly #steps: (() => Promise<void>)[] = [];
  #running: Promise<void> | undefined;
  #over = false;
  /** Whether a signal came. */
  interrupted = false;

  /** Remembers a step, or takes it at once when all others are taken. */
  add(step: () => Promise<void>): void {
    this.#steps.push(step);
    if (this.#over) this.#running = this.#takeSteps();
  }

  /** Takes all steps, the last first; a step that fails keeps none of the others from being taken. */
  run(): Promise<void> {
    this.#running ??= this.#takeSteps();
    return this.#running;
  }

  /**
   * SIGHUP, SIGINT and SIGTERM undo everything and end the process; a second one changes nothing.
   *
   * @returns what lets them be as they were
   */
  onSignals(): () => void {
    const handlers = Object.entries(SIGNALS).map(([signal, status]) => {
      const handle = (): void => {
        if (this.interrupted) return;
        this.interrupted = true;
        void this.run().finally(() => process.exit(status));
      };
      process.on(signal, handle);
      return () => void process.removeListener(signal, handle);
    });
    return () => {
      for (const remove of handlers) remove();
    };
  }

  async #takeSteps(): Promise<void> {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop())
      await step().catch((error: unknown) => failures.push(error));
    this.#over = true;
    if (failures.length > 0) throw failures[0];
  }
}
