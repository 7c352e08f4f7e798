/** What can go wrong in a shard while it serves, by the counts that its layers keep. */
import type { Engine } from '../engine/engine.js';
import type { Tmem } from '../tmem/tmem.js';
import type { TmemPool } from '../tmem/tmem-pool.js';
import { exportName, type ServedExport } from './served-export.js';
import type { Trouble } from './trouble-watch.js';

/** @param exports - those that are served at the moment of each look */
export function shardTroubles(engine: Engine, tmem: Tmem, exports: () => Iterable<ServedExport>): readonly Trouble[] {
  return [
    {
      code: 'damaged-pages',
      level: 'error',
      // Nothing says that a page which was damaged is whole again, nor whether the memory that did it is.
      tallies: () =>
        poolsOf(tmem).map((pool) => ({
          name: `${pool.owner.name}/${pool.name}`,
          bad: pool.statistics.verifyFailures,
          good: 0,
        })),
      text: (count, names) =>
        `${count} reads of ${names} found a page that is not what was stored, and ended in an I/O error: ` +
        'test the memory; tmem check names the pages once the daemon is stopped',
    },
    {
      code: 'pages-refused',
      level: 'warn',
      tallies: () =>
        [...exports()].map(({ spec, pool: { statistics, stagedPuts } }) => ({
          name: exportName(spec),
          // More room would not have helped those that failed: they are told as writes that did.
          bad: statistics.puts - statistics.putsDone - statistics.putsFailed - statistics.putsFrozen - stagedPuts,
          good: statistics.putsDone,
        })),
      text: (count, names) =>
        `${count} pages of ${names} were refused for lack of room: ` +
        "free pages, raise the capacity or the guest's cap, or make room on the file system of the arena",
    },
    {
      code: 'pages-frozen',
      level: 'warn',
      tallies: () =>
        [...exports()].map(({ spec, pool: { statistics } }) => ({
          name: exportName(spec),
          bad: statistics.putsFrozen,
          good: statistics.putsDone,
        })),
      text: (count, names) =>
        `${count} new pages of ${names} were refused because the guest is frozen: thaw it with "tmem guest thaw"`,
    },
    {
      code: 'writes-failed',
      level: 'error',
      tallies: () => [{ name: 'the arena', bad: engine.failedCommits, good: engine.writtenBytes }],
      text: (count, name) =>
        `${count} writes to ${name} failed, and all that they held was refused: look after its file system`,
    },
    {
      code: 'sync-failed',
      level: 'error',
      tallies: () => [{ name: 'the arena', bad: engine.failedSyncs, good: 0 }],
      text: (_, name) =>
        `the disk of ${name} has lost a write, so nothing is written to it any more and every change is refused: ` +
        'look after the disk, then start the daemon again',
    },
    {
      code: 'spill-failed',
      level: 'error',
      tallies: () =>
        poolsOf(tmem).flatMap(({ owner, name, spill }) =>
          spill === undefined
            ? []
            : [{ name: `${owner.name}/${name}`, bad: spill.failures, good: spill.pagesOut + spill.pagesFetched }],
        ),
      text: (count, names) =>
        `${count} reads or writes of the spill file of ${names} failed: make room on its disk, or look after that; ` +
        'its guests may be stopped until then',
    },
    {
      code: 'segments-aside',
      level: 'error',
      tallies: () => [{ name: 'the arena', bad: engine.segments.filesAside, good: 0 }],
      text: (count, name) =>
        `${count} segments of ${name} hold flushes that cannot be read any more, so the next start will refuse it: ` +
        'take the guests off their disks before the daemon is stopped',
    },
  ];
}

function poolsOf({ clients }: Tmem): TmemPool[] {
  return [...clients.values()].flatMap(({ pools }) => pools.filter((pool) => pool !== undefined));
}
