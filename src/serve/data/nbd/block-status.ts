/**
 * BLOCK_STATUS for `base:allocation`: runs of holes and of data, from the offset asked for. An answer may stop short
 * and the client asks again at its end, so it is bounded twice: in extents, for a store that is half holes, and in
 * pages looked at, for one long run.
 */
import { address } from '../../../base/ids.js';
import { PAGE_BYTES } from '../../../base/units.js';
import { type BlockFace, FLUSH_PAGES_MAX } from '../../../hooks/block-face.js';
import { ALLOCATION_CONTEXT_ID, ExtentFlag } from '../../../wire/nbd/meta-context.js';
import { STATUS_CHUNK_BYTES, writeExtent, writeStatusChunk } from '../../../wire/nbd/reply.js';
import { CommandFlag, type NbdRequest } from '../../../wire/nbd/request.js';
import type { Replies } from './replies.js';

/** 8 KiB of reply; nbdcopy and qemu-img walk a whole disk this way. */
export const EXTENTS_MAX = 1024;

/** Finding an extent is cheaper than moving a page: so many count as one. */
const EXTENTS_PER_PAGE = 64;

/** Extents of the request, which is not empty, coalesced. @returns its cost in pages */
export function replyBlockStatus(face: BlockFace, replies: Replies, request: NbdRequest): number {
  const { offset, length } = request;
  const extentsMax = (request.flags & CommandFlag.reqOne) !== 0 ? 1 : EXTENTS_MAX;
  const first = Math.floor(offset / PAGE_BYTES);
  const end = Math.min(Math.ceil((offset + length) / PAGE_BYTES), first + FLUSH_PAGES_MAX);
  let extents = 0;
  let at = replies.at + STATUS_CHUNK_BYTES;
  let from = offset;
  for (let page = first; page < end && extents < extentsMax; extents++) {
    const flags = face.isHole(page) ? ExtentFlag.hole | ExtentFlag.zero : ExtentFlag.data;
    page = face.endOfRun(page, end);
    const to = Math.min(page * PAGE_BYTES, offset + length);
    at = writeExtent(replies.view, at, to - from, flags);
    from = to;
  }
  writeStatusChunk(replies.view, replies.at, request, ALLOCATION_CONTEXT_ID, extents);
  replies.at = address(at);
  return 1 + Math.ceil(extents / EXTENTS_PER_PAGE) + Math.floor((4 * (end - first)) / FLUSH_PAGES_MAX);
}
