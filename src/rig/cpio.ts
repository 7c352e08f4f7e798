/**
 * Files become a cpio archive in the format `newc`, which is what Linux unpacks as its initramfs. No cpio program.
 *
 *      0        6                                      110
 *      ┌────────┬──────────────────────────────────────┬──────────────┬───┬──────────┬───┐
 *      │ 070701 │ 13 fields of 8 hexadecimal digits    │ name and NUL │pad│ contents │pad│   … then TRAILER!!!
 *      └────────┴──────────────────────────────────────┴──────────────┴───┴──────────┴───┘
 *
 * The fields: inode, mode, uid, gid, links, mtime, size, device (major, minor), rdev (major, minor), bytes of the
 * name with its NUL, check (0 in this format). Header with name, and contents, are each padded to 4 bytes.
 */

const FILE = 0o100000;
const FOLDER = 0o040000;
const SYMBOLIC_LINK = 0o120000;

/** One name in the archive. Paths are relative, without a leading slash; a folder stands before what it holds. */
export type CpioEntry =
  | { readonly path: string; readonly kind: 'folder' }
  | { readonly path: string; readonly kind: 'file'; readonly bytes: Uint8Array; readonly executable?: boolean }
  | { readonly path: string; readonly kind: 'link'; readonly to: string };

/** Everything belongs to root and is dated 0, so that equal entries give equal archives. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.flatMap((entry, at) => {
    const contents = contentsOf(entry);
    return [header(entry.path, at + 1, modeOf(entry), contents.length), padded(contents)];
  });
  return Buffer.concat([...parts, header('TRAILER!!!', 0, 0, 0)]);
}

function contentsOf(entry: CpioEntry): Uint8Array {
  if (entry.kind === 'file') return entry.bytes;
  return Buffer.from(entry.kind === 'link' ? entry.to : '');
}

function modeOf(entry: CpioEntry): number {
  if (entry.kind === 'folder') return FOLDER | 0o755;
  if (entry.kind === 'link') return SYMBOLIC_LINK | 0o777;
  return FILE | (entry.executable === true ? 0o755 : 0o644);
}

function header(path: string, inode: number, mode: number, bytes: number): Uint8Array {
  const name = Buffer.from(`${path}\0`);
  const fields = [inode, mode, 0, 0, 1, 0, bytes, 0, 0, 0, 0, name.length, 0];
  const text = fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  return padded(Buffer.concat([Buffer.from(`070701${text}`), name]));
}

function padded(bytes: Uint8Array): Uint8Array {
  const over = bytes.length % 4;
  return over === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - over)]);
}
