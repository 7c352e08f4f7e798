/** `tmem demo`: real guests that swap on tmem, a daemon that is killed in the middle, memory that is taken away. */
import { Command, InvalidArgumentError } from 'commander';
import { TmemError } from '../base/errors.js';

interface Options {
  readonly guests: number;
  readonly seconds: number;
  readonly kernel?: string;
  readonly json?: true;
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('boot Linux guests that swap on tmem, kill -9 the daemon, spill to disk, verify every page')
    .option('--guests <n>', 'how many, 1 to 8', wholeNumber(1, 8), 2)
    .option('--seconds <s>', 'about how long, 10 to 3600; a slow machine takes longer', wholeNumber(10, 3600), 60)
    .option('--kernel <file>', 'a bzImage whose modules are installed (default: the one that is found)')
    .option('--json', 'print one JSON document and nothing else')
    .action(async ({ guests, seconds, kernel, json }: Options) => {
      const { runDemo } = await import('../rig/demo/run-demo.js');
      const { demoFailure } = await import('../rig/demo/report.js');
      const { noScreen, screenOn } = await import('../rig/demo/screen.js');
      const screen = json === true ? noScreen : screenOn(process.stdout);
      const report = await runDemo({
        guests,
        seconds,
        screen,
        ...(kernel === undefined ? {} : { kernelFile: kernel }),
      });
      const failure = demoFailure(report);
      if (json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
      else if (failure === undefined) process.stdout.write('every page was right, before the kill and after it\n');
      if (failure !== undefined)
        throw new TmemError('E_INTERNAL', `${failure}: report it, with what "tmem demo" has printed`);
    });
}

function wholeNumber(least: number, most: number): (written: string) => number {
  return (written) => {
    const value = Number(written);
    if (/^\d+$/.test(written) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It is not a whole number from ${least} to ${most}.`);
  };
}
