import { get } from 'node:http';
import path from 'node:path';

const EVERY_MS = 1000;

/** Asks a daemon for its metrics each second, as a monitoring system does, as long as it is there. */
export class Scraper {
  /** Answers that were whole. */
  answers = 0;
  readonly #socketPath: string;
  readonly #timer: NodeJS.Timeout;

  constructor(runDir: string) {
    this.#socketPath = path.join(runDir, 'control.sock');
    this.#timer = setInterval(() => this.#ask(), EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #ask(): void {
    const request = get({ socketPath: this.#socketPath, path: '/metrics', agent: false }, (response) => {
      response.on('end', () => {
        if (response.statusCode === 200) this.answers++;
      });
      // One that was cut short is not counted.
      response.on('error', () => undefined);
      response.resume();
    });
    request.on('error', () => undefined);
  }
}
