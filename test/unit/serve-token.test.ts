/** Changes over TCP: none, but for whoever brings the token of `token_file`. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { makePlaces, type Places, tmem, TmemProcess } from '../support/tmem-process.js';
import { main, statusReal } from '../support/real-daemon.js';

const [TOKEN, OTHER] = ['the-first-token-1234', 'the-other-token-5678'];

let places: Places;
let config: string;
let tokenFile: string;
beforeEach(() => {
  places = makePlaces();
  config = path.join(places.shm, 'tmem.toml');
  tokenFile = path.join(places.shm, 'token');
});
afterEach(() => places.remove());

test('without a token file TCP is for reading, whatever is sent along, and the control socket changes things', async () => {
  writeFileSync(config, '[guest.vm1.swap.a]\nsize = "1MiB"\n');
  await using daemon = serve();
  const { http } = await daemon.ready();
  for (const authorization of ['', `Bearer ${TOKEN}`, 'Bearer null']) {
    const { status, code } = await freeze(http!, authorization);
    assert.deepEqual([status, code], [403, 'E_DENIED']);
  }
  assert.equal(await isFrozen(), false);
  await tmem(['guest', 'freeze', 'vm1', '--run-dir', places.runDir], { main });
  assert.equal(await isFrozen(), true);
  assert.equal((await fetch(new URL('/api/v1/status', http!))).status, 200);
  assert.equal((await daemon.stop()).code, 0);
});

test('with a token file TCP changes things for who brings the token, and for nobody else; a reread changes the token', async () => {
  writeConfig();
  writeToken(TOKEN);
  await using daemon = serve();
  const { http } = await daemon.ready();
  for (const authorization of ['', 'Bearer', `Bearer ${OTHER}`, `Basic ${TOKEN}`]) {
    const { status, code, challenge } = await freeze(http!, authorization);
    assert.deepEqual([status, code, challenge], [401, 'E_DENIED', 'Bearer realm="tmem"']);
  }
  assert.equal(await isFrozen(), false);
  assert.equal((await freeze(http!, `Bearer ${TOKEN}`)).status, 200);
  assert.equal(await isFrozen(), true);
  writeToken(OTHER);
  daemon.signal('SIGHUP');
  await daemon.logged(/config read again/);
  assert.equal((await freeze(http!, `Bearer ${TOKEN}`)).status, 401);
  assert.equal((await freeze(http!, `Bearer ${OTHER}`)).status, 200);
  // A file that is not good any more changes nothing.
  chmodSync(tokenFile, 0o644);
  daemon.signal('SIGHUP');
  await daemon.logged(/"E_DENIED".*not reloaded: token_file/);
  assert.equal((await freeze(http!, `Bearer ${OTHER}`)).status, 200);
  const { stderr } = await daemon.stop();
  assert.ok(!stderr.includes(TOKEN) && !stderr.includes(OTHER), 'the log has no token in it');
});

test('a token file that others may read, or without a token, keeps the daemon from starting, and --check-config says the same', async () => {
  writeConfig();
  for (const extra of [[], ['--check-config']]) {
    writeToken(TOKEN);
    chmodSync(tokenFile, 0o640);
    const open = await tmem(['serve', '--config', config, ...places.args, ...extra], { main });
    assert.equal(open.code, 1);
    assert.match(open.stderr, /^tmem: E_DENIED: token_file .*token is open to others than its owner .*\n$/);
    chmodSync(tokenFile, 0o600);
    writeToken('short');
    const short = await tmem(['serve', '--config', config, ...places.args, ...extra], { main });
    assert.equal(short.code, 2);
    assert.match(short.stderr, /^tmem: E_CONFIG: token_file .*token holds no token of 16 or more .*\n$/);
  }
});

function serve(): TmemProcess {
  return new TmemProcess(['serve', '--config', config, ...places.args], { main });
}

function writeConfig(): void {
  writeFileSync(config, `token_file = "${tokenFile}"\n[guest.vm1.swap.a]\nsize = "1MiB"\n`);
}

function writeToken(token: string): void {
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
}

async function freeze(
  http: string,
  authorization: string,
): Promise<{ status: number; code: string; challenge: string | null }> {
  const answer = await fetch(new URL('/api/v1/guests/vm1/freeze', http), {
    method: 'POST',
    headers: authorization === '' ? {} : { authorization },
  });
  const document = (await answer.json()) as { error?: { code: string } };
  return {
    status: answer.status,
    code: document.error?.code ?? '',
    challenge: answer.headers.get('www-authenticate'),
  };
}

async function isFrozen(): Promise<boolean> {
  return (await statusReal(places)).guests[0]!.frozen;
}
