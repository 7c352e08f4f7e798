import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RoomWish } from '../base/shard-room.js';
import { RoomGate } from './room-gate.js';

test('with room nobody waits and nothing is said', () => {
  const { gate, wishes, state } = gateOn();
  state.mayGrow = true;
  assert.equal(gate.mustWait(assert.fail), false);
  assert.deepEqual(wishes, []);
});

test('without room and without pages of its own the shard says so once, and all its changes wait for the answer', () => {
  const { gate, wishes, state, resumed } = gateOn();
  for (const name of ['a', 'b']) assert.ok(gate.mustWait(() => resumed.push(name)));
  assert.deepEqual(wishes, [{ bytes: 512, price: Infinity }]);
  state.mayGrow = true;
  gate.given(512);
  assert.deepEqual(resumed, ['a', 'b']);
  gate.given(512);
  assert.deepEqual(resumed, ['a', 'b'], 'each once');
});

test('all shards know for how long one wants room, and a moment longer', async () => {
  const { gate, state } = gateOn();
  gate.mustWait(() => {});
  gate.mustWait(() => {});
  assert.equal(state.wanting, 1);
  gate.given(512);
  assert.equal(state.wanting, 1, 'whoever waited has not taken it yet');
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(state.wanting, 0);
});

test('what was given and is gone again is asked for again', () => {
  const { gate, wishes } = gateOn();
  gate.mustWait(() => {});
  gate.given(512);
  assert.ok(gate.mustWait(() => {}));
  assert.equal(wishes.length, 2);
});

test('after an answer of nothing puts are refused for a moment without another question', () => {
  const { gate, wishes, state, resumed } = gateOn();
  gate.mustWait(() => resumed.push('a'));
  gate.given(0);
  assert.deepEqual(resumed, ['a']);
  state.nowUs = 19_999;
  assert.equal(gate.mustWait(assert.fail), false);
  state.nowUs = 20_000;
  assert.ok(gate.mustWait(() => {}));
  assert.equal(wishes.length, 2);
});

test('a shard that gives up pages of its own does not wait, and says what they are worth', () => {
  const { gate, wishes, state } = gateOn();
  state.price = 7;
  assert.equal(gate.mustWait(assert.fail), false);
  gate.onShort();
  assert.deepEqual(wishes, [{ bytes: 512, price: 7 }]);
  gate.given(512);
  gate.onShort();
  assert.equal(wishes.length, 1, 'not with every page that goes');
  state.nowUs = 10_000;
  gate.onShort();
  assert.equal(wishes.length, 2);
});

test('what a sync brings is waited for first', () => {
  let synced = (): void => assert.fail('nobody waits for the sync');
  const durability = {
    mustWait: (resume: () => void): boolean => {
      synced = resume;
      return true;
    },
  };
  const { gate, wishes, resumed } = gateOn(durability);
  assert.ok(gate.mustWait(() => resumed.push('a')));
  assert.deepEqual(wishes, []);
  synced();
  assert.deepEqual(resumed, ['a']);
});

test('a host that does not answer keeps nobody waiting for ever, and nor does a shard that stops', async () => {
  const { gate } = gateOn();
  await new Promise<void>((resolve) => assert.ok(gate.mustWait(resolve)));
  const { gate: closing, resumed } = gateOn();
  closing.mustWait(() => resumed.push('a'));
  closing.close();
  assert.deepEqual(resumed, ['a']);
  assert.equal(closing.mustWait(assert.fail), false);
});

function gateOn(durability?: { mustWait(resume: () => void): boolean }): {
  gate: RoomGate;
  wishes: RoomWish[];
  resumed: string[];
  state: { mayGrow: boolean; price: number; nowUs: number; wanting: number };
} {
  const state = { mayGrow: false, price: Infinity, nowUs: 0, wanting: 0 };
  const wishes: RoomWish[] = [];
  const gate = new RoomGate({
    clock: { nowUs: () => state.nowUs },
    bytes: 512,
    mayGrow: () => state.mayGrow,
    price: () => state.price,
    wish: (wish) => wishes.push(wish),
    want: (isMore) => (state.wanting += isMore ? 1 : -1),
    durability,
    patienceMs: 20,
  });
  return { gate, wishes, resumed: [], state };
}
