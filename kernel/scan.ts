/** Recovery: finds the records that stand one behind the other in what was read of a segment. */
import { headerValid, HEADER_BYTES, KIND_SEAL, kindOf, recordBytesOf } from './record';
import { setScanResult } from './result';

/** The next record, or the rest of it, lies past the bytes given. */
const STOP_END: u32 = 0;
/** A seal: the segment has no more. */
const STOP_SEAL: u32 = 1;
/** No record of this generation: where the log was torn, or ends. */
const STOP_INVALID: u32 = 2;
/** `offsetsMax` is reached. */
const STOP_FULL: u32 = 3;

/**
 * Walks the records from `from`, and writes the offset of each from there to `offsets`, as u32. Only headers are
 * looked at. Where it stopped, as such an offset, and why is left in the result: that is where to go on, and the
 * place of the seal after `STOP_SEAL`, which is not among the records.
 *
 * @param bytes - how many bytes there are from `from`
 * @returns how many records it found
 */
export function scan(
  from: usize,
  bytes: i32,
  generationLow: u32,
  generationHigh: u32,
  offsets: usize,
  offsetsMax: i32,
): i32 {
  const end = <usize>bytes;
  let at: usize = 0;
  let count: i32 = 0;
  let reason = STOP_END;
  while (at + HEADER_BYTES <= end) {
    const record = from + at;
    if (!headerValid(record, generationLow, generationHigh)) {
      reason = STOP_INVALID;
      break;
    }
    if (kindOf(record) == KIND_SEAL) {
      reason = STOP_SEAL;
      break;
    }
    const next = at + recordBytesOf(record);
    if (next > end) break;
    if (count == offsetsMax) {
      reason = STOP_FULL;
      break;
    }
    store<u32>(offsets + ((<usize>count) << 2), <u32>at);
    count++;
    at = next;
  }
  setScanResult(<u32>at, reason);
  return count;
}
