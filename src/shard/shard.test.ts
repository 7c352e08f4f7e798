/** What a shard says of its options, on a real folder. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { openSmallStore } from '../../test/support/small-store.js';
import { pageIndex } from '../base/ids.js';
import type { ExportSpec, ShardOptions } from '../base/shard-port.js';
import { GIB, KIB, MIB } from '../base/units.js';
import { RealSegmentFiles } from '../io/real-segment-files.js';
import { PERSISTENT_PRIVATE } from '../tmem/pool-attributes.js';
import { shardFolder } from './arena-parts.js';
import { openShard } from './shard.js';

test('the swap disk that is one too many for its guest is refused, and the others go on', () =>
  withFolder(async (folder) => {
    const shard = await openShard(
      optionsOf(folder, 16 * MIB),
      () => {},
      () => {},
    );
    // Pools stay when their disks go, so that a test need not open a thousand sockets at once.
    for (let disk = 0; disk < 1024; disk++) {
      await shard.addExport(specOf(folder, disk));
      await shard.removeExport('vm1', `s${disk}`, false);
    }
    await assert.rejects(shard.addExport(specOf(folder, 1024)), { code: 'E_CONFIG', message: /1024 swap disks/ });
    await shard.addExport(specOf(folder, 7));
    assert.equal(shard.status().exports.length, 1);
    await shard.stop();
  }));

test('a capacity that the files of an arena cannot reach is said, once, and not shown', () =>
  withFolder(async (folder) => {
    const logged: string[] = [];
    makeArena(folder);
    for (const capacityBytes of [16 * MIB, 16 * GIB, 32 * GIB]) {
      const shard = await openShard(
        optionsOf(folder, capacityBytes),
        (level, text) => logged.push(`${level}: ${text}`),
        () => {},
      );
      assert.equal(shard.status().arena.capacityBytes, Math.min(capacityBytes, 16 * GIB));
      await shard.stop();
    }
    assert.equal(logged.length, 1);
    assert.match(logged[0]!, /^warn: .* segments of 512 KiB, so its 32768 files hold 16 GiB of the capacity of 32 GiB/);
  }));

/** With a page in it: an arena without any takes other segments when it is opened again. */
function makeArena(folder: string): void {
  const files = new RealSegmentFiles(shardFolder(folder, 0));
  const { engine, tmem, source } = openSmallStore(files, { segmentBytes: 512 * KIB, capacityBytes: 16 * MIB });
  const client = tmem.client('vm1');
  client.pools[tmem.createPool(client, 's0', PERSISTENT_PRIVATE)]!.put(0n, pageIndex(0), source);
  tmem.commit();
  engine.close();
}

function optionsOf(folder: string, capacityBytes: number): ShardOptions {
  return { arena: folder, fs: 'tmpfs', part: 0, capacityBytes, budget: null, exports: [], limits: [] };
}

function specOf(folder: string, disk: number): ExportSpec {
  return {
    guest: 'vm1',
    name: `s${disk}`,
    sizeBytes: MIB,
    socket: path.join(folder, `${disk}.nbd`),
    spill: null,
    domain: null,
  };
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-shard-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
