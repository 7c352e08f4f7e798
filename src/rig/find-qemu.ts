import { TmemError } from '../base/errors.js';
import { findTool } from './tools.js';

/**
 * Path of the QEMU that boots guests.
 *
 * @throws {TmemError} E_MISSING_TOOL
 */
export function findQemu(): string {
  const found = findTool('qemu-system-x86_64');
  if (found === undefined)
    throw new TmemError('E_MISSING_TOOL', 'no qemu-system-x86_64 on PATH; type: apt-get install qemu-system-x86');
  return found;
}
