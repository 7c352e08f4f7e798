/**
 * Tests that need something of the machine skip with the reason where it is missing, unless `TMEM_REQUIRE` names it
 * (a list with commas, set in CI): then they run, and fail.
 */
export function skipUnless(name: string, isThere: boolean, reason: string): { skip?: string } {
  const required = (process.env['TMEM_REQUIRE'] ?? '').split(',').includes(name);
  return isThere || required ? {} : { skip: reason };
}

export const needsRoot: { skip?: string } = skipUnless(
  'root',
  process.getuid!() === 0,
  'needs root to mount a file system of its own',
);
