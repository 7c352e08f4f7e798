/** Entry of the worker thread of a daemon under test. */
import { parentPort } from 'node:worker_threads';
import { serveShard } from '../../src/shard/serve-shard.js';
import { openFakeShard } from './fake-shard.js';

serveShard(parentPort!, openFakeShard);
