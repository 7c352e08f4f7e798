/** The parts of a QEMU command line that the rig writes. Pure: paths in, arguments out. */

/** A swap disk on an NBD export. */
export interface SwapDisk {
  readonly socket: string;
  readonly exportName: string;
  /** How long requests wait for a server that went away. Default 60. */
  readonly reconnectSeconds?: number;
}

export interface QemuMachine {
  readonly memoryMib: number;
  readonly kernelImage: string;
  readonly initramfs: string;
  /** Where QEMU listens for one QMP client. */
  readonly qmp: string;
  readonly swap?: SwapDisk;
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly more?: readonly string[];
}

/**
 * Always TCG: the device node of KVM may exist and yet hang a guest (nested virtualization), and correctness of the
 * swap path does not depend on it. The console is the child's standard input and output.
 */
export function qemuArguments(machine: QemuMachine): string[] {
  return [
    ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ['-accel', 'tcg,thread=multi', '-smp', '1', '-m', `${machine.memoryMib}M`],
    ['-kernel', machine.kernelImage, '-initrd', machine.initramfs, '-append', kernelLine(machine.parameters)],
    ['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ['-qmp', `unix:${machine.qmp},server=on,wait=off`],
    ['-device', 'virtio-balloon-pci,id=balloon'],
    machine.swap === undefined ? [] : swapDiskArguments(machine.swap),
    machine.more ?? [],
  ].flat();
}

/** The disk as everyone should attach it: errors pause the guest, requests wait for a server that restarts. */
export function swapDiskArguments({ socket, exportName, reconnectSeconds = 60 }: SwapDisk): string[] {
  const blockdev = {
    driver: 'nbd',
    'node-name': 'preswap',
    server: { type: 'unix', path: socket },
    export: exportName,
    discard: 'unmap',
    'reconnect-delay': reconnectSeconds,
    'open-timeout': 30,
  };
  const device = 'virtio-blk-pci,drive=preswap,werror=stop,rerror=stop,serial=preswap';
  return ['-blockdev', JSON.stringify(blockdev), '-device', device];
}

/** `panic=-1` together with `-no-reboot` turns a panic into QEMU's exit. ramfs: see guest-init.ts. */
function kernelLine(parameters: Readonly<Record<string, string | number>>): string {
  const ours = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  return ['console=ttyS0', 'quiet', 'loglevel=4', 'panic=-1', 'rootfstype=ramfs', ...ours].join(' ');
}
