/** SIGTERM and SIGINT: the first asks for a clean stop, the second for one at once. SIGHUP asks to reread the config. */

export interface StopSignals {
  /** Settles with the first signal's name. */
  readonly requested: Promise<NodeJS.Signals>;
  /** Leaves signals to Node again. */
  release(): void;
}

export function listenForSignals(onSecond: () => void, onHangup: () => void): StopSignals {
  let request: (signal: NodeJS.Signals) => void = () => {};
  const requested = new Promise<NodeJS.Signals>((resolve) => (request = resolve));
  let count = 0;
  const stop = (signal: NodeJS.Signals): void => {
    if (++count === 1) request(signal);
    else onSecond();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', onHangup);
  return {
    requested,
    release(): void {
      process.off('SIGTERM', stop);
      process.off('SIGINT', stop);
      process.off('SIGHUP', onHangup);
    },
  };
}
