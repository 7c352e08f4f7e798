import { MissingTool } from './missing-tool.js';
import { findTool } from './tools.js';

/**
 * Path of the QEMU that boots guests.
 *
 * @throws {MissingTool}
 */
export function findQemu(): string {
  const found = findTool('qemu-system-x86_64');
  if (found === undefined) throw new MissingTool('no qemu-system-x86_64 on PATH', 'apt-get install qemu-system-x86');
  return found;
}
