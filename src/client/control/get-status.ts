/** The daemon's status, as a document and as the text that it sent. */
import type { StatusDocument } from '../../base/status.js';
import { getControl } from './control-client.js';

/** @throws TmemError as {@link getControl} */
export async function getStatus(runDir: string): Promise<{ readonly status: StatusDocument; readonly text: string }> {
  const text = await getControl(runDir, '/api/v1/status');
  // Daemon and command are of one package; fields are only ever added.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { status: JSON.parse(text) as StatusDocument, text };
}
