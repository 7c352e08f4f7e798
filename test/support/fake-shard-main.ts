/** Entry of the worker thread of a daemon under test. */
import { serveShard } from '../../src/shard/serve-shard.js';
import { shardPorts } from '../../src/shard/shard-ports.js';
import { openFakeShard } from './fake-shard.js';

for (const port of shardPorts()) serveShard(port, openFakeShard);
