/**
 * What can be wrong in the outside world, each with a code that scripts may rely on. A miss or a refusal is not an
 * error but a value, and our own mistake is an assertion.
 */

/**
 * Every code there is, with the exit status of a command that ends with it: 2 where command line or config are wrong
 * in themselves, 1 where the machine does not give what they ask. Meanings: docs/errors.md.
 */
export const ERROR_CODES = {
  E_USAGE: 2,
  E_CONFIG: 2,
  E_RUN_DIR: 1,
  E_SOCKET_PATH: 1,
  E_SOCKET_BUSY: 1,
  E_OWNER: 2,
  E_ARENA_BUSY: 1,
  E_ARENA_VERSION: 1,
  E_ARENA_DAMAGED: 1,
  E_ARENA_FULL: 1,
  E_SPILL: 1,
  E_HTTP_BUSY: 1,
  E_NO_DAEMON: 1,
  E_NOT_READY: 1,
  E_NOT_FOUND: 1,
  E_IN_USE: 1,
  E_DENIED: 1,
  E_MISSING_TOOL: 1,
  E_TRACE: 1,
  E_INTERNAL: 1,
} as const;
export type ErrorCode = keyof typeof ERROR_CODES;

/** `message` is one line: what is wrong, where, what to do. */
export class TmemError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TmemError';
    this.code = code;
  }
}

/** The `code` of an error that Node raised for a system call, such as `ENOSPC`; else undefined. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A code and a line, whatever was thrown. */
export function described(error: unknown): { code: ErrorCode; message: string } {
  if (error instanceof TmemError) return error;
  return { code: 'E_INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
