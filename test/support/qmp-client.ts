/** QEMU's monitor, as far as tests need it: commands one at a time, and the events so far. */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface QmpEvent {
  readonly event: string;
  /** By the host's clock, in seconds. */
  readonly second: number;
}

/** Of `query-status`; other commands that are used say nothing. */
interface Answer {
  readonly status?: string;
}

interface Message {
  readonly QMP?: object;
  readonly return?: Answer;
  readonly error?: { readonly desc: string };
  readonly event?: string;
  readonly timestamp?: { readonly seconds: number; readonly microseconds: number };
}

export class QmpClient {
  /** In order. */
  readonly events: QmpEvent[] = [];
  readonly #socket: Socket;
  #settle: ((message: Message | Error) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => {
      const message: Message = JSON.parse(line);
      if (message.event === undefined) return this.#settle?.(message);
      const { seconds, microseconds } = message.timestamp!;
      this.events.push({ event: message.event, second: seconds + microseconds / 1e6 });
    });
    socket.on('error', () => {});
    socket.once('close', () => this.#settle?.(new Error('QEMU has closed its monitor')));
  }

  /** QEMU serves one client at a time. */
  static async connect(path: string): Promise<QmpClient> {
    const client = new QmpClient(connect(path));
    await client.#answer();
    await client.execute('qmp_capabilities');
    return client;
  }

  /** @throws Error what QEMU says against it, or that it is gone */
  async execute(command: 'qmp_capabilities' | 'query-status' | 'cont'): Promise<Answer> {
    this.#socket.write(`${JSON.stringify({ execute: command })}\n`);
    return (await this.#answer()).return ?? {};
  }

  /** Such as `running`, `io-error`. */
  async status(): Promise<string> {
    return (await this.execute('query-status')).status ?? 'unknown';
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Of the greeting, or of the one command under way. */
  async #answer(): Promise<Message> {
    const message = await new Promise<Message | Error>((resolve) => (this.#settle = resolve));
    this.#settle = undefined;
    if (message instanceof Error) throw message;
    if (message.error !== undefined) throw new Error(`QEMU: ${message.error.desc}`);
    return message;
  }
}
