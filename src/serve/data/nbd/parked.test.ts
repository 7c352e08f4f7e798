/** What others hear of requests that are put aside, and what becomes of them when the server goes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rounds, until, withAway } from '../../../../test/support/away-fixture.js';
import { patterned, rejects } from '../../../../test/support/nbd-fixture.js';
import { MIB, PAGE_BYTES } from '../../../base/units.js';
import { NbdError } from '../../../wire/nbd/request.js';

/** Of a reply that nothing delays. */
const ROUNDS_MAX = 10_000;

for (const structured of [false, true]) {
  test(`${structured ? 'structured' : 'simple'}: a page in memory is answered while pages of other requests are fetched`, () =>
    withAway({}, async ({ connect, away }) => {
      const client = await connect({ structured });
      const data = patterned(40 * PAGE_BYTES);
      await client.write(0, data);
      for (let page = 0; page < 20; page++) away().sendAway(page);
      const reads = Array.from({ length: 10 }, (_, page) => client.read(page * PAGE_BYTES, PAGE_BYTES));
      const changes = Array.from({ length: 10 }, (_, n) => client.write((10 + n) * PAGE_BYTES, data.subarray(0, 512)));
      await until(() => away().coming.length === 20, ROUNDS_MAX);
      let answered = 0;
      for (let page = 20; page < 40; page++) {
        const bytes = data.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
        const answer = Promise.all([
          client.read(page * PAGE_BYTES, PAGE_BYTES).then((read) => assert.ok(read.equals(bytes))),
          client.write((page + 20) * PAGE_BYTES, bytes),
          client.flush(),
        ]);
        void answer.then(() => answered++);
      }
      await until(() => answered === 20, ROUNDS_MAX);
      assert.equal(away().coming.length, 20);
      away().endAll();
      await Promise.all([...reads, ...changes]);
    }));
}

for (const [what, ends] of [
  ['arrives while a server says goodbye', true],
  ['never arrives', false],
] as const) {
  test(`of a page that ${what} a client hears ${ends ? 'its bytes' : 'no more than that the connection is lost'}`, () =>
    withAway({}, async ({ server, connect, away }) => {
      const client = await connect();
      const page = patterned(PAGE_BYTES);
      await client.write(0, page);
      away().sendAway(0);
      const read = client.read(0, PAGE_BYTES);
      await until(() => away().coming.length === 1);
      const closing = server.close(200);
      await rejects(client.write(0, page), NbdError.shutdown);
      await rejects(client.read(PAGE_BYTES, PAGE_BYTES), NbdError.shutdown);
      if (ends) {
        away().endAll();
        assert.ok((await read).equals(page));
        await client.disconnect();
      } else await assert.rejects(read, (error) => !(error instanceof Error && 'error' in error));
      await closing;
      assert.equal(away().held, 0);
    }));
}

test('a WRITE that waits for room when its server goes holds nothing back, and its client hears of no success', () =>
  withAway({}, async ({ server, connect, away }) => {
    const client = await connect();
    away().isShort = () => true;
    const write = client.write(0, patterned(16 * PAGE_BYTES));
    await until(() => away().waitingForRoom === 1);
    const closing = server.close(20);
    await assert.rejects(write);
    await closing;
    // Told of room afterwards, nobody is there who could take it.
    away().isShort = () => false;
    away().resume();
    await rounds(5);
    assert.ok(away().isHole(0));
  }));

test('a WRITE longer than what is put aside waits for room as often as it must, and all of it is stored', () =>
  withAway({}, async ({ connect, away }) => {
    const client = await connect();
    const data = patterned(4 * MIB);
    let pages = 0;
    // One page in a hundred is refused once.
    away().isShort = () => ++pages % 100 === 0;
    const state = { isOver: false, waits: 0 };
    const write = client.write(0, data).finally(() => (state.isOver = true));
    await until(() => {
      if (away().waitingForRoom > 0) state.waits++;
      away().resume();
      return state.isOver;
    });
    await write;
    assert.ok(state.waits >= 10, `${state.waits} waits`);
    assert.ok((await client.read(0, 4 * MIB)).equals(data));
  }));
