// Joins its standard input and output with a Unix socket: what QEMU's user network starts for each connection of a
// guest to a forwarded address. Argument: the socket.
import { connect } from 'node:net';

const socket = connect(process.argv[2] ?? '');
process.stdin.pipe(socket).pipe(process.stdout);
const end = (): void => process.exit();
for (const stream of [process.stdin, process.stdout, socket]) stream.on('error', end);
socket.on('close', end);
