import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSmallStore, pageAt, pageOf, type SmallStore, writeVersion } from '../../test/support/small-store.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { pageIndex } from '../base/ids.js';
import { PERSISTENT_PRIVATE } from '../tmem/pool-attributes.js';
import { HostedLayer } from './hosted.js';
import { LayerRead, LayerWrite, type PageLayer } from './layer.js';

/** What a hook may rely on, whatever layer it stands on: later layers are added to this list. */
const layers: readonly [name: string, make: (store: SmallStore) => PageLayer][] = [
  [
    'hosted',
    ({ tmem }) => {
      const client = tmem.client('vm1');
      return new HostedLayer(tmem, client.pools[tmem.createPool(client, 'swap0', PERSISTENT_PRIVATE)]!);
    },
  ],
];

for (const [name, make] of layers) {
  test(`${name}: what was replaced and committed is read back, again and again`, () => {
    const store = openSmallStore();
    const layer = make(store);
    write(store, layer, 5, 1);
    assert.equal(layer.commit(), CommitOutcome.done);
    write(store, layer, 5, 2);
    assert.equal(layer.commit(), CommitOutcome.done);
    for (let read = 0; read < 2; read++) expect(store, layer, 5, 2);
  });

  test(`${name}: a batch sees itself before it is committed`, () => {
    const store = openSmallStore();
    const layer = make(store);
    write(store, layer, 5, 1);
    expect(store, layer, 5, 1);
    assert.ok(layer.has(pageIndex(5)));
    layer.flush(pageIndex(0), 100);
    assert.equal(layer.read(pageIndex(5), store.target), LayerRead.nothing);
  });

  test(`${name}: what is flushed is nothing, its neighbours stay`, () => {
    const store = openSmallStore();
    const layer = make(store);
    for (const page of [4, 5, 6, 7]) write(store, layer, page, page);
    layer.commit();
    layer.flush(pageIndex(5), 2);
    layer.commit();
    assert.equal(layer.read(pageIndex(5), store.target), LayerRead.nothing);
    assert.equal(layer.read(pageIndex(6), store.target), LayerRead.nothing);
    expect(store, layer, 4, 4);
    expect(store, layer, 7, 7);
  });

  test(`${name}: runs of kept and of missing pages end where they end`, () => {
    const store = openSmallStore();
    const layer = make(store);
    assert.equal(layer.endOfRun(0, 1000), 1000);
    for (let page = 60; page < 70; page++) write(store, layer, page, page);
    layer.commit();
    assert.equal(layer.endOfRun(0, 1000), 60);
    assert.equal(layer.endOfRun(60, 1000), 70);
    assert.equal(layer.endOfRun(60, 65), 65);
    assert.equal(layer.endOfRun(70, 1000), 1000);
  });
}

function write(store: SmallStore, layer: PageLayer, page: number, version: number): void {
  writeVersion(store.kernel, store.source, version);
  assert.equal(layer.replace(pageIndex(page), store.source), LayerWrite.kept);
}

function expect(store: SmallStore, layer: PageLayer, page: number, version: number): void {
  assert.equal(layer.read(pageIndex(page), store.target), LayerRead.page);
  assert.equal(pageAt(store.kernel, store.target), pageOf(store.kernel, store.source, version));
}
