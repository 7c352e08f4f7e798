/** Why a path cannot be that of a spill file, in words that follow "is"; undefined where it may be. */
export function spillPathProblem(path: unknown): string | undefined {
  if (typeof path !== 'string' || !path.startsWith('/')) return 'not an absolute path: begin it with "/"';
  return /\p{Cc}/u.test(path) ? 'no path: a control character is in it' : undefined;
}
