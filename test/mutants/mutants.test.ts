/** Whether the tests of the rules can fail: each of them must, where the code breaks its rule. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { projectFolder } from '../../src/rig/tools.js';
import { MUTANTS, type Mutant } from './mutants.js';

const REGISTER = fileURLToPath(new URL('register.js', import.meta.url));
const SECONDS_MAX = 60;

interface Outcome {
  readonly failed: number;
  readonly passed: number;
  readonly output: string;
}

describe('a rule that is broken is noticed by the test that cites it', { concurrency: 2 }, () => {
  for (const [at, mutant] of MUTANTS.entries()) {
    test(`${mutant.rule}: without «${mutant.find}» of ${mutant.source}`, async () => {
      const broken = await run(mutant, String(at));
      assert.ok(broken.failed > 0, `no test of ${mutant.rule} in ${mutant.test} has noticed: ${broken.passed} passed`);
      assert.ok(!broken.output.includes('times in'), broken.output);
    });
  }
});

describe('and where nothing is broken those tests pass', { concurrency: 2 }, () => {
  for (const file of new Set(MUTANTS.map((mutant) => mutant.test))) {
    test(file, async () => {
      const rules = new Set(MUTANTS.filter(({ test: its }) => its === file).map(({ rule }) => rule));
      const whole = await run({ rule: [...rules].join('|'), test: file }, 'none');
      assert.ok(whole.failed === 0 && whole.passed > 0, whole.output);
    });
  }
});

let children = 0;
after(() => assert.equal(children, 0));

/** The tests whose titles cite the rule. */
function run({ rule, test: file }: Pick<Mutant, 'rule' | 'test'>, mutant: string): Promise<Outcome> {
  const how = [
    '--import',
    REGISTER,
    '--test-reporter=tap',
    `--test-name-pattern=\\b(${rule})(?![0-9])`,
    `dist/${file}.js`,
  ];
  const child = spawn(process.execPath, how, {
    cwd: projectFolder(),
    // It is no part of the run that this test is in.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, TMEM_MUTANT: mutant, TMEM_MODEL_OPERATIONS: '8000' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: SECONDS_MAX * 1000,
  });
  children++;
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((resolve) => {
    child.on('close', () => {
      children--;
      const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
      // A mutant that hangs is noticed too.
      const failed = count('fail') + count('cancelled') + (child.signalCode === null ? 0 : 1);
      resolve({ failed, passed: count('pass'), output });
    });
  });
}
