/** Entry of a worker thread: its shards, each behind a message port. The thread ends when all of them have stopped. */
import { serveShard } from './serve-shard.js';
import { openShard } from './shard.js';
import { shardPorts } from './shard-ports.js';

for (const port of shardPorts()) serveShard(port, openShard);
