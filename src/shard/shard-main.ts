/** Entry of the worker thread: the real shard behind its message port. */
import { parentPort } from 'node:worker_threads';
import { assert } from '../base/assert.js';
import { serveShard } from './serve-shard.js';
import { openShard } from './shard.js';

assert(parentPort !== null, 'shard-main runs in a worker thread');
serveShard(parentPort, openShard);
