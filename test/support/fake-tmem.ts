/** The `tmem` command with a fake shard: everything of the daemon but the store. */
import { runCli } from '../../src/cli/run-cli.js';

process.exit(await runCli(process.argv.slice(2), { shardEntry: new URL('fake-shard-main.js', import.meta.url) }));
