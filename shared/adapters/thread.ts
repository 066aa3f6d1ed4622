import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';

/**
 * Starts a thread whose long-lived objects may take so many MB. What a block is made of lives while the block is at hand, and V8 begins with
 * 1 MB for young objects: each would be copied before it is dropped. So they have room from the beginning, which only a flag gives, that is
 * read when a thread starts.
 */
export function spawnThread(program: URL, workerData: unknown, heapMb: number): Worker {
  setFlagsFromString(`--initial-old-space-size=${Math.floor(heapMb * oldSpaceShare)}`);
  setFlagsFromString(`--min-semi-space-size=${Math.min(semiSpaceMbMax, Math.ceil(heapMb * semiSpaceShare))}`);
  return new Worker(program, { workerData, resourceLimits: { maxOldGenerationSizeMb: heapMb } });
}

/** V8 has up to three such spaces for young objects. */
const semiSpaceShare = 1 / 24;
const semiSpaceMbMax = 32;
/** Before so much is held by long-lived objects they are not looked through: the texts of large blocks are among them, and few are alive. */
const oldSpaceShare = 1 / 2;
