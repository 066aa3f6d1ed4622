import { closeSync, fstatSync, ftruncateSync, openSync, readSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { createWallClock } from '#shared/adapters/clock.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { explainDisk, temporarySuffix, writeAll } from '../folder.ts';
import type { Change } from './change.ts';
import { decodeChange, encodeChange } from './change-codec.ts';
import { createKinesis, type Kinesis, type KinesisOptions } from './model.ts';
import { createRetentionClock } from './retention-clock.ts';

/** A model whose changes outlive the process. */
export interface StoredKinesis {
  readonly kinesis: Kinesis;
  readonly close: () => void;
}

/**
 * The model as its log in `folder` says, which must exist and be this process's own. A change is in the log before it is made
 * and acknowledged, so it survives a kill; there is no fsync, so a power cut may take the last ones. What retention has
 * trimmed is taken out here, at the open; the time in which nothing was open does not count. Where `now` is set back, also since
 * the last record arrived, its clock goes on from there: the clocks of the slots are arrivals, which never fall, and would stand still.
 */
export function openKinesis({
  folder,
  steady = () => 0,
  ...options
}: Pick<KinesisOptions, 'now' | 'throttle'> & {
  readonly folder: string;
  /** Goes on where `now` is set back. */
  readonly steady?: () => number;
}): StoredKinesis {
  const path = join(folder, logName);
  const log = explainDisk(folder, () => openLog(path));
  try {
    let seenMs = Number.NEGATIVE_INFINITY;
    const { now } = createWallClock({ wall: () => Math.max(options.now(), seenMs), steady });
    const retention = createRetentionClock(now);
    const history = watched(log.replay(), (ms) => {
      seenMs = Math.max(seenMs, ms);
      retention.saw(ms);
    });
    const kinesis = createKinesis({ ...options, now, retentionNow: retention.now, history, journal: log.append });
    log.compact(() => kinesis.snapshot());
    return { kinesis, close: log.close };
  } catch (error) {
    log.close();
    throw error;
  }
}

function* watched(changes: Iterable<Change>, saw: (ms: number) => void): Generator<Change> {
  for (const change of changes) {
    if (change.kind === 'stream-set') saw(change.settings.createdMs);
    if (change.kind === 'records-put') saw(change.records.at(-1)?.record.arrivalMs ?? 0);
    yield change;
  }
}

const logName = 'kinesis.log';

/**
 * A frame is a header, then its body, which is one change. The header is the body's length, that length's CRC-32 and the
 * body's. A kill leaves a part of a frame; a whole header that is wrong was damaged later.
 */
const headerBytes = 12;

interface ChangeLog {
  readonly replay: () => Generator<Change>;
  readonly append: (change: Change) => void;
  /** Puts what `snapshot` gives in the log's place if it holds fewer records or streams. */
  readonly compact: (snapshot: () => Iterable<Change>) => void;
  readonly close: () => void;
}

function openLog(path: string): ChangeLog {
  let file = openSync(path, 'a+');
  let size = 0;
  let weight = 0;
  /** Set when half a frame could neither be written nor removed: what is appended behind it would be lost. */
  let broken: MillraceError | undefined;

  function* replay(): Generator<Change> {
    const sizeOnDisk = fstatSync(file).size;
    for (const frame of readFrames({ file, path, size: sizeOnDisk })) {
      size = frame.end;
      const change = decodeChange(frame.body);
      weight += weigh(change);
      yield change;
    }
    // A torn tail was never acknowledged.
    if (size < sizeOnDisk) ftruncateSync(file, size);
  }

  function append(change: Change): void {
    if (broken !== undefined) throw broken;
    const frame = encodeFrame(change);
    explainDisk(path, () => {
      try {
        writeAll(file, frame);
      } catch (error) {
        try {
          ftruncateSync(file, size);
        } catch (cause) {
          broken = cannotGoOn(path, cause);
        }
        throw error;
      }
    });
    size += frame.length;
  }

  function compact(snapshot: () => Iterable<Change>): void {
    let weightLeft = 0;
    for (const change of snapshot()) weightLeft += weigh(change);
    if (weightLeft === weight) return;
    explainDisk(path, () => writeFrames(path, snapshot()));
    closeSync(file);
    file = openSync(path, 'a+');
    size = fstatSync(file).size;
  }

  return { replay, append, compact, close: () => closeSync(file) };
}

function cannotGoOn(path: string, cause: unknown): MillraceError {
  const message = `${path} ends in a part of a change that could not be taken back. Start again: opening it cuts it off.`;
  return new MillraceError('OUTPUT_UNWRITABLE', message, { cause });
}

/** A log of the same weight as its snapshot has nothing to take out. */
function weigh(change: Change): number {
  return change.kind === 'records-put' ? change.records.length : 1;
}

/** Beside the log first, then in its place in one step: a crash leaves the old one or the new one. */
function writeFrames(path: string, changes: Iterable<Change>): void {
  const temporary = `${path}${temporarySuffix}`;
  const file = openSync(temporary, 'w');
  try {
    for (const change of changes) for (const part of cutChange(change)) writeAll(file, encodeFrame(part));
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

/** A snapshot gives a shard's records in one change, which may be larger than a frame should be. */
const recordsPerFrame = 500;

function* cutChange(change: Change): Generator<Change> {
  if (change.kind !== 'records-put') return yield change;
  for (let at = 0; at < change.records.length; at += recordsPerFrame) {
    yield { ...change, records: change.records.slice(at, at + recordsPerFrame) };
  }
}

function encodeFrame(change: Change): Buffer {
  const body = encodeChange(change);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(body.length, 0);
  header.writeUInt32LE(crc32(header.subarray(0, 4)), 4);
  header.writeUInt32LE(crc32(body), 8);
  return Buffer.concat([header, body]);
}

/** The frames of a log, up to one that was not written to its end. */
function* readFrames(log: {
  readonly file: number;
  readonly path: string;
  readonly size: number;
}): Generator<{ readonly body: Buffer; readonly end: number }> {
  const header = Buffer.alloc(headerBytes);
  for (let at = 0; at + headerBytes <= log.size; ) {
    readAll(log.file, header, at);
    if (crc32(header.subarray(0, 4)) !== header.readUInt32LE(4)) throw damageAt(log.path, at);
    const end = at + headerBytes + header.readUInt32LE(0);
    if (end > log.size) return;
    const body = Buffer.alloc(end - at - headerBytes);
    readAll(log.file, body, at + headerBytes);
    if (crc32(body) !== header.readUInt32LE(8)) throw damageAt(log.path, at);
    yield { body, end };
    at = end;
  }
}

/** To go on would lose what was acknowledged. */
function damageAt(path: string, at: number): MillraceError {
  const message = `${path} is damaged at byte ${at}. Put the whole folder of the stack back from a copy that was made while nothing ran on it, or begin afresh with --fresh.`;
  return new MillraceError('STATE_UNREADABLE', message);
}

function readAll(file: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length; ) {
    const count = readSync(file, bytes, at, bytes.length - at, position + at);
    if (count === 0)
      throw new MillraceError('STATE_UNREADABLE', `A file ended at byte ${position + at} while it was read.`);
    at += count;
  }
}
