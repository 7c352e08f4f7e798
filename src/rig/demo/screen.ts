/** Where the demo shows itself: a terminal, a log, or nowhere. */

import type { Figures } from './figures.js';
import { eventLine, liveLines, plainLine } from './view.js';

export interface Screen {
  /** Something has happened: a line that stays. */
  say(seconds: number, words: string): void;
  /** To be called about once a second. */
  show(figures: Figures): void;
}

/** A stream as far as a screen uses it; `columns` are those of a terminal. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Seconds between two lines of figures in a log. */
const PLAIN_EVERY_S = 2;

export function screenOn(output: Output): Screen {
  return output.isTTY === true ? terminalScreen(output) : plainScreen(output);
}

/** For `--json`. */
export const noScreen: Screen = { say: () => undefined, show: () => undefined };

/** What has happened goes up the screen, what is stays below it and is drawn anew. */
function terminalScreen(output: Output): Screen {
  let live: readonly string[] = [];
  let drawn = 0;
  const draw = (above: readonly string[]): void => {
    // A line that wraps would take two, and the way back up would be too short.
    const width = (output.columns ?? 80) - 1;
    const up = drawn === 0 ? '' : `\u001B[${drawn}A\u001B[J`;
    const lines = [...above, ...live.map((line) => line.slice(0, width))];
    output.write(up + lines.map((line) => `${line}\n`).join(''));
    drawn = live.length;
  };
  return {
    say: (seconds, words) => draw([eventLine(seconds, words)]),
    show: (figures) => {
      live = liveLines(figures);
      draw([]);
    },
  };
}

function plainScreen(output: Output): Screen {
  let next = 0;
  return {
    say: (seconds, words) => void output.write(`${eventLine(seconds, words)}\n`),
    show: (figures) => {
      if (figures.seconds < next) return;
      next = figures.seconds + PLAIN_EVERY_S * 0.9;
      output.write(`${plainLine(figures)}\n`);
    },
  };
}
