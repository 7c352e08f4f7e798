import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { diskPlace } from './disk-place.js';

test('a folder in memory, and one that is not there, are passed over where there is another', () => {
  const gone = path.join(tmpdir(), 'tmem-is-not-there');
  // proc is no tmpfs, and root may write to it by its mode.
  const other = process.getuid!() === 0 ? '/proc' : process.cwd();
  assert.equal(diskPlace(['/dev/shm', gone, other]), other);
});

test('where there is no disk it is the first', () => {
  assert.equal(diskPlace(['/dev/shm', '/dev/shm/..']), '/dev/shm');
});
