/**
 * How a swap disk is given to a guest so that nothing is lost and nothing is wasted:
 *
 * - reconnect: the client waits 60 s for a daemon that restarts and sends its requests again; with QEMU's default, 0,
 *   the guest reads errors from its swap and dies.
 * - errors pause the guest instead of reaching it: what cannot be stored now can be later, a lost page never.
 * - discard is passed on, or pages that the guest has freed stay in the store for ever.
 * - in the guest, `rotational` goes to 0 first: Linux frees swap clusters with a discard only on what it takes for an SSD.
 */
import type { StatusExport } from '../base/status.js';

const RECONNECT_S = 60;
const OPEN_S = 30;

export interface AttachLines {
  readonly qemu: string;
  readonly libvirt: string;
  readonly nbdClient: string;
  readonly document: AttachDocument;
}

export interface AttachDocument {
  readonly v: 1;
  readonly export: string;
  readonly socket: string;
  readonly uri: string;
  readonly size_bytes: number;
  readonly qemu: { readonly args: readonly string[] };
  readonly libvirt: { readonly xml: string };
  readonly nbd_client: { readonly command: string };
  /** To be run in the guest, as root; for `nbd_client`, where that runs. */
  readonly guest: { readonly commands: readonly string[] };
}

export function attachLines(disk: StatusExport): AttachLines {
  const args = qemuArgs(disk);
  const xml = libvirtXml(disk);
  const command = nbdClientCommand(disk);
  const inGuest = swapCommands(`/dev/disk/by-id/virtio-${shortName(disk)}`);
  return {
    qemu: [
      `${args[0]} ${shellWord(args[1]!)} \\`,
      `${args[2]} ${shellWord(args[3]!)}`,
      '',
      '# In the guest, as root, each time it starts:',
      ...comments(inGuest),
      '# A guest paused with "io-error" goes on with QMP "cont" once the daemon accepts again.',
      '',
    ].join('\n'),
    libvirt: [
      xml,
      '<!-- libvirt 9.0 and older know no reconnect here: give the guest the lines for QEMU instead, or swapoff before',
      'the daemon stops.',
      'In the guest, as root, each time it starts:',
      ...inGuest.map((line) => `  ${line}`),
      'A guest paused by an I/O error goes on with "virsh resume" once the daemon accepts again. -->',
      '',
    ].join('\n'),
    nbdClient: [
      'modprobe nbd',
      command,
      ...swapCommands(NBD_DEVICE),
      "# The kernel's client reconnects, but fails what it is asked meanwhile: swapoff before you stop the daemon.",
      '',
    ].join('\n'),
    document: {
      v: 1,
      export: disk.name,
      socket: disk.socket,
      uri: disk.uri,
      size_bytes: disk.size_bytes,
      qemu: { args },
      libvirt: { xml },
      nbd_client: { command },
      guest: { commands: inGuest },
    },
  };
}

const NBD_DEVICE = '/dev/nbd0';

/** Node names begin with a letter and have at most 31 characters; serials have at most 20. */
function qemuArgs(disk: StatusExport): string[] {
  const node = `tmem-${shortName(disk)}`;
  return [
    '-blockdev',
    `driver=nbd,node-name=${node},server.type=unix,server.path=${qemuValue(disk.socket)},export=${disk.name},` +
      `discard=unmap,reconnect-delay=${RECONNECT_S},open-timeout=${OPEN_S}`,
    '-device',
    `virtio-blk-pci,drive=${node},werror=stop,rerror=stop,serial=${shortName(disk)}`,
  ];
}

/** libvirt has no open-timeout: start the daemon before the guest. The schema of 9.0 refuses `reconnect`, and takes the rest. */
function libvirtXml(disk: StatusExport): string {
  return [
    "<disk type='network' device='disk'>",
    "  <driver name='qemu' type='raw' discard='unmap' error_policy='stop' rerror_policy='stop'/>",
    `  <source protocol='nbd' name='${disk.name}'>`,
    `    <host transport='unix' socket='${xmlText(disk.socket)}'/>`,
    `    <reconnect delay='${RECONNECT_S}'/>`,
    '  </source>',
    "  <target dev='vdb' bus='virtio'/>",
    `  <serial>${shortName(disk)}</serial>`,
    '</disk>',
  ].join('\n');
}

/** `-swap` locks the client into memory: it must not be swapped out onto the disk that it serves. */
function nbdClientCommand(disk: StatusExport): string {
  return `nbd-client -unix ${shellWord(disk.socket)} ${NBD_DEVICE} -name ${disk.name} -persist -swap -timeout ${RECONNECT_S} -block-size 4096`;
}

function swapCommands(device: string): string[] {
  return [
    `disk=$(readlink -f ${device})`,
    'echo 0 > /sys/block/${disk##*/}/queue/rotational',
    'mkswap $disk',
    'swapon -d -p 100 $disk',
  ];
}

function comments(lines: readonly string[]): string[] {
  return lines.map((line) => `#   ${line}`);
}

/** The export's own name, which is unique within its guest. */
function shortName({ name }: StatusExport): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

/** A comma ends a value in QEMU's options unless it is doubled. */
function qemuValue(value: string): string {
  return value.replaceAll(',', ',,');
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function xmlText(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll("'", '&apos;');
}
