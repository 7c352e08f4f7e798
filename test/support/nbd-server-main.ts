/**
 * A process that serves NBD over memory, for tests and measurements that need one of its own:
 * `node nbd-server-main.js SOCKET BYTES [onread|stream] [US_PER_PAGE]`. Prints a line when it accepts; ends with stdin.
 */
import { NbdServer } from '../../src/serve/data/nbd/server.js';
import { heapPageMemory } from './heap-page-memory.js';
import { MemoryFace } from './memory-face.js';

const [socketPath = '', bytes = '', transport = 'onread', pageUs = '0'] = process.argv.slice(2);
const memory = heapPageMemory();
const server = new NbdServer({ memory, transport: transport === 'stream' ? 'stream' : 'onread' });
const face = new MemoryFace(memory, Number(bytes));
face.pageUs = Number(pageUs);
await server.addExport({ name: 'test/disk', description: 'memory of a test', socketPath, face });
process.stdout.write('ready\n');
process.stdin.resume().once('end', () => void server.close(0).then(() => process.exit(0)));
