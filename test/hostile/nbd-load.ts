/**
 * A client without manners, in a process of its own: 2 MiB writes at depth 16 to the first 32 MiB of a disk, for ever.
 * `node nbd-load.js SOCKET`
 */
import { MIB } from '../../src/base/units.js';
import { NbdClient } from '../support/nbd-client.js';
import { patterned } from '../support/nbd-fixture.js';

const [socketPath = ''] = process.argv.slice(2);
const client = await NbdClient.connect(socketPath);
// Pages that do not compress: each is stored in full, and what it replaces must be cleaned away.
const data = patterned(2 * MIB);
await Promise.all(Array.from({ length: 16 }, (_, n) => writeForEver(n * 2 * MIB)));

async function writeForEver(offset: number): Promise<void> {
  for (;;) await client.write(offset, data);
}
