/** A thread that serves NBD over memory. Its arguments are SOCKET and BYTES; a line when it accepts; ends with stdin. */
import { NbdServer } from '../../src/serve/data/nbd/server.js';
import { heapPageMemory } from './heap-page-memory.js';
import { MemoryFace } from './memory-face.js';

const [socketPath = '', bytes = ''] = process.argv.slice(2);
const memory = heapPageMemory();
const server = new NbdServer({ memory });
const face = new MemoryFace(memory, Number(bytes));
await server.addExport({ name: 'test/disk', description: 'memory of a test', socketPath, face });
process.stdout.write('ready\n');
process.stdin.resume().once('end', () => void server.close(0).then(() => process.exit(0)));
