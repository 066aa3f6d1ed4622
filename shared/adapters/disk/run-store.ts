import { Buffer } from 'node:buffer';
import { closeSync, mkdirSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Run, RunStore, RunWriter } from '#shared/ports/run-store.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { type KeyFilter, KeyHashes } from './key-filter.ts';

/** A search reads a block. The first key of each is in memory, so those of a run that is only read from end to end are large. */
const blockBytesMin = { read: 131_072, searched: 8_192 } as const;
/** Written in pieces of this. */
const writtenBytesMin = 1_048_576;
/** Read ahead in pieces of this: many runs may be read side by side. */
const readBytesMax = 262_144;
/** Before each entry: the lengths of key and value, in UTF-8. */
const headerBytes = 8;

/**
 * Runs as files of a folder:
 *
 *     [block][block]…    block = [key bytes, u32][value bytes, u32][key][value]…    in memory: each block's first key and place
 *
 * Nothing is compressed: zstd would halve the bytes, and cost a processor as much again as all else that is done to an entry.
 *
 * A file loses its name as soon as it is open. So its room is given back when the process ends, however it ends, and no process
 * ever meets what another one left, but an empty file if that was killed between the two.
 */
export function createDiskRunStore(folder: string): RunStore {
  mkdirSync(folder, { recursive: true });
  let runCount = 0;
  return {
    begin: (isSearched) => {
      runCount += 1;
      const path = join(folder, `${process.pid}-${runCount}-${Math.trunc(performance.now() * 1_000)}.run`);
      const file = openSync(path, 'wx+', 0o600);
      unlinkSync(path);
      return new DiskRunWriter(file, folder, isSearched);
    },
  };
}

interface BlockIndex {
  readonly firstKeys: string[];
  /** Where each block begins, and behind the last one where it ends. */
  readonly starts: number[];
}

class DiskRunWriter implements RunWriter {
  readonly #file: number;
  readonly #folder: string;
  readonly #index: BlockIndex = { firstKeys: [], starts: [0] };
  readonly #hashes: KeyHashes | undefined;
  readonly #blockBytesMin: number;
  /** What is not written yet: whole blocks, and behind them the one that is begun. */
  #piece = Buffer.allocUnsafe(2 * writtenBytesMin);
  #pieceBytes = 0;
  #blockStart = 0;
  #writtenBytes = 0;
  #entryCount = 0;
  #last = '';

  constructor(file: number, folder: string, isSearched: boolean) {
    this.#file = file;
    this.#folder = folder;
    this.#hashes = isSearched ? new KeyHashes() : undefined;
    this.#blockBytesMin = isSearched ? blockBytesMin.searched : blockBytesMin.read;
  }

  add(key: string, value: string): void {
    if (this.#entryCount > 0 && key <= this.#last)
      throw new Error(`Bug in Millrace: key ${key} of a run follows ${this.#last}`);
    this.#last = key;
    if (this.#pieceBytes === this.#blockStart) this.#index.firstKeys.push(key);
    // No character takes more than three bytes.
    this.#reserve(headerBytes + 3 * (key.length + value.length));
    const piece = this.#piece;
    const at = this.#pieceBytes;
    const keyBytes = piece.write(key, at + headerBytes, 'utf8');
    const valueBytes = piece.write(value, at + headerBytes + keyBytes, 'utf8');
    piece.writeUInt32LE(keyBytes, at);
    piece.writeUInt32LE(valueBytes, at + 4);
    this.#pieceBytes = at + headerBytes + keyBytes + valueBytes;
    this.#hashes?.add(key);
    this.#entryCount += 1;
    if (this.#pieceBytes - this.#blockStart >= this.#blockBytesMin) this.#closeBlock();
  }

  end(): Run {
    if (this.#pieceBytes > this.#blockStart) this.#closeBlock();
    this.#flush();
    return new DiskRun(this.#file, this.#index, this.#entryCount, this.#hashes?.toFilter());
  }

  discard(): void {
    closeSync(this.#file);
  }

  #reserve(bytes: number): void {
    if (this.#pieceBytes + bytes <= this.#piece.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#pieceBytes + bytes));
    this.#piece.copy(larger, 0, 0, this.#pieceBytes);
    this.#piece = larger;
  }

  #closeBlock(): void {
    this.#blockStart = this.#pieceBytes;
    this.#index.starts.push(this.#writtenBytes + this.#pieceBytes);
    if (this.#pieceBytes >= writtenBytesMin) this.#flush();
  }

  #flush(): void {
    const length = this.#pieceBytes;
    try {
      for (let at = 0; at < length; )
        at += writeSync(this.#file, this.#piece, at, length - at, this.#writtenBytes + at);
    } catch (cause) {
      throw new MillraceError(
        'DISK_FULL',
        `the disk of ${this.#folder} does not take the state that memory has no room for: ${String(cause)}. Give the worker more disk or more memory.`,
        { cause },
      );
    }
    this.#writtenBytes += length;
    this.#pieceBytes = 0;
    this.#blockStart = 0;
  }
}

class DiskRun implements Run {
  readonly entryCount: number;
  #file: number;
  readonly #index: BlockIndex;
  readonly #filter: KeyFilter | undefined;
  /** The block that was searched last: whoever looks keys up in their order finds the next one there. */
  #searchedAt = -1;
  #searched: Buffer = Buffer.alloc(0);
  /** What it is read into, again and again. */
  #room: Buffer = Buffer.alloc(0);

  constructor(file: number, index: BlockIndex, entryCount: number, filter: KeyFilter | undefined) {
    this.#file = file;
    this.#index = index;
    this.entryCount = entryCount;
    this.#filter = filter;
  }

  get bytes(): number {
    return this.#index.starts.at(-1) as number;
  }

  get(key: string): string | undefined {
    if (this.#filter === undefined) throw new Error('Bug in Millrace: a run that is not searched is');
    if (!this.#filter.mayHave(key)) return undefined;
    const at = this.#blockOf(key);
    if (at < 0) return undefined;
    if (this.#searchedAt !== at) {
      this.#searchedAt = -1;
      this.#searched = this.#read(at, at + 1, this.#room);
      this.#room = this.#searched.length > this.#room.length ? this.#searched : this.#room;
      this.#searchedAt = at;
    }
    const bytes = this.#searched;
    const wanted = Buffer.from(key, 'utf8');
    for (let place = 0; place < bytes.length; ) {
      const keyBytes = bytes.readUInt32LE(place);
      const valueBytes = bytes.readUInt32LE(place + 4);
      const keyStart = place + headerBytes;
      const valueStart = keyStart + keyBytes;
      // The last byte of two keys differs most often.
      if (
        keyBytes === wanted.length &&
        (keyBytes === 0 || bytes[valueStart - 1] === wanted[keyBytes - 1]) &&
        wanted.compare(bytes, keyStart, valueStart) === 0
      )
        return bytes.toString('utf8', valueStart, valueStart + valueBytes);
      place = valueStart + valueBytes;
    }
    return undefined;
  }

  *entries(): Iterable<readonly [key: string, value: string]> {
    const { starts, firstKeys } = this.#index;
    for (let from = 0; from < firstKeys.length; ) {
      let to = from + 1;
      while (to < firstKeys.length && (starts[to + 1] as number) - (starts[from] as number) <= readBytesMax) to += 1;
      const bytes = this.#read(from, to);
      for (let place = 0; place < bytes.length; ) {
        const keyStart = place + headerBytes;
        const valueStart = keyStart + bytes.readUInt32LE(place);
        place = valueStart + bytes.readUInt32LE(place + 4);
        yield [bytes.toString('utf8', keyStart, valueStart), bytes.toString('utf8', valueStart, place)];
      }
      from = to;
    }
  }

  remove(): void {
    closeSync(this.#file);
    // The number may soon be another file's.
    this.#file = -1;
  }

  /** The last block that does not begin above `key`; -1 when all do. */
  #blockOf(key: string): number {
    const { firstKeys } = this.#index;
    let low = 0;
    let high = firstKeys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((firstKeys[middle] as string) <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The blocks from `from` on before `to`, in `room` if it has enough. */
  #read(from: number, to: number, room?: Buffer): Buffer {
    const start = this.#index.starts[from] as number;
    const length = (this.#index.starts[to] as number) - start;
    const bytes = room !== undefined && room.length >= length ? room.subarray(0, length) : Buffer.allocUnsafe(length);
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(this.#file, bytes, at, bytes.length - at, start + at);
      if (count === 0) throw new Error('Bug in Millrace: a run ends before its last block');
      at += count;
    }
    return bytes;
  }
}
