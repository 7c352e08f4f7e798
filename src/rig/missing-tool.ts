import { TmemError } from '../base/errors.js';

/** E_MISSING_TOOL that says what is not here and which command brings it. */
export class MissingTool extends TmemError {
  readonly missing: string;
  readonly command: string;

  constructor(missing: string, command: string) {
    super('E_MISSING_TOOL', `${missing}; type: ${command}`);
    this.missing = missing;
    this.command = command;
  }
}

/**
 * Looks for several things, and names all that are missing at once: nobody wants to hear of the second when the first is
 * installed.
 *
 * @param finders - each returns, or throws a {@link MissingTool}; other errors pass
 * @throws {MissingTool} one line for all that is missing
 */
export function findAll(...finders: readonly (() => void)[]): void {
  const missing = finders.flatMap((find) => {
    try {
      find();
      return [];
    } catch (error) {
      if (error instanceof MissingTool) return [error];
      throw error;
    }
  });
  if (missing.length === 0) return;
  const whats = missing.map((one) => one.missing).join(', ');
  throw new MissingTool(whats, missing.map(({ command }) => command).join(' && '));
}
