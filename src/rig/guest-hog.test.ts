import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { AWK_HOG } from './guest-hog.js';
import { findTool } from './tools.js';

// The busybox of this host runs the program as a guest's does; without swap, so that nothing is lost on the way.
const busybox = findTool('busybox');
const needsBusybox = { skip: busybox === undefined && 'not here: busybox' };

test('every page is checked once a round and once at the end', needsBusybox, () => {
  const done = lastLine(run(AWK_HOG, { mib: 1, rounds: 3 }).stdout);
  assert.match(done, /^HOG done rounds=4 verified=1024 bad=0 reads=\d+ writes=\d+ faults=\d+$/);
});

test('a workload that is cut short still checks every page, as the last round has left it', needsBusybox, () => {
  // Told to stop by the clock in the middle of a round, which a MiB does not fill.
  const cut = AWK_HOG.replace('passed < 12288 && !is_over()', 'passed < 6000 && !is_over()').replace(
    'if (passed == 12288) finished++',
    'over = 1',
  );
  assert.notEqual(cut, AWK_HOG);
  const { stdout, status } = run(cut, { mib: 4 });
  const [verified, bad] = [/verified=(\d+)/, /bad=(\d+)/].map((field) => Number(field.exec(lastLine(stdout))![1]));
  assert.ok(verified! > 1024 && verified! < 2048, `the round was cut: ${verified} pages`);
  assert.deepEqual([bad, status], [0, 0]);
});

for (const [what, statement] of [
  ['one byte that changed', 'held[5] = substr(held[5], 1, 9999) "!" substr(held[5], 10001)'],
  ['a page of another place', 'held[5] = substr(held[5], 1, 8192) substr(held[6], 8193, 4096) substr(held[5], 12289)'],
  [
    'a page of another guest',
    'seed++; kept = make(5, 0); seed--; held[5] = substr(kept, 1, 4096) substr(held[5], 4097)',
  ],
  ['a page of zeros, which ends a string', 'held[5] = substr(held[5], 1, 8192)'],
] as const) {
  test(`${what} is found`, needsBusybox, () => {
    const { stdout, status } = run(AWK_HOG.replace('passed = 12288', `${statement}; passed = 12288`), {
      mib: 1,
      rounds: 1,
    });
    assert.match(stdout, /^HOG bad page=2[0-3] version=0$/m);
    assert.match(lastLine(stdout), / bad=[1-4] /);
    assert.equal(status, 1);
  });
}

test('an older version of a piece is found', needsBusybox, () => {
  const stale = AWK_HOG.replace('held[piece] = make(piece, round)', 'if (piece != 5) held[piece] = make(piece, round)');
  assert.match(run(stale, { mib: 1, rounds: 2 }).stdout, /^HOG bad page=20 version=1$/m);
});

test('more memory than its order reaches is refused', needsBusybox, () => {
  assert.deepEqual(run(AWK_HOG, { mib: 193 }), { stdout: 'HOG failed at=mib\n', status: 2 });
});

test('pages differ from guest to guest, from page to page and from version to version', needsBusybox, () => {
  const begin = AWK_HOG.indexOf('  start = uptime()');
  const pages = `
    for (seed = 1; seed <= 2; seed++) for (page = 0; page < 300; page++) for (version = 0; version < 4; version++) {
      text = page_text(page, version)
      if (length(text) != 4096 || (text in seen)) print "wrong", seed, page, version
      seen[text] = 1
    }
  }`;
  assert.equal(run(AWK_HOG.slice(0, begin) + pages, { mib: 1 }).stdout, '');
});

function run(
  program: string,
  environment: Readonly<Record<string, number>>,
): { readonly stdout: string; readonly status: number | null } {
  const numbers = Object.entries({ seed: 1, seconds: 0, rounds: 0, ...environment });
  const env = Object.fromEntries(numbers.map(([name, value]) => [name, String(value)]));
  const { stdout, status } = spawnSync(busybox!, ['awk', program], { env, encoding: 'utf8', timeout: 30_000 });
  return { stdout, status };
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}
