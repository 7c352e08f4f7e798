/** A client without manners, in a process of its own: 2 MiB writes at depth 16, for ever. `node nbd-load.js SOCKET` */
import { MIB } from '../../src/base/units.js';
import { NbdClient } from '../support/nbd-client.js';

const [socketPath = ''] = process.argv.slice(2);
const client = await NbdClient.connect(socketPath);
const data = Buffer.alloc(2 * MIB, 7);
await Promise.all(Array.from({ length: 16 }, (_, n) => writeForEver(32 * MIB + n * 2 * MIB)));

async function writeForEver(offset: number): Promise<void> {
  for (;;) await client.write(offset, data);
}
