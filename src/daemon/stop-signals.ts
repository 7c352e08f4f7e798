/**
 * SIGTERM and SIGINT: the first asks for a clean stop, the second for one at once. SIGHUP asks to reread the config.
 * For the rest of the process's life: a second signal that comes when the stop is all but done must not end it by
 * default, with another status.
 *
 * @returns what settles with the first signal's name
 */
export function listenForSignals(onSecond: () => void, onHangup: () => void): Promise<NodeJS.Signals> {
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
  return requested;
}
