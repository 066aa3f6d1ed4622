import { type FileHandle, open } from 'node:fs/promises';
import { compressionOf } from '#shared/runtime/decode-tools.ts';

/** Fewer calls than with smaller ones; what is read still fits the processor's caches. */
const pieceBytes = 1 << 18;

/**
 * The bytes of a file of lines in pieces that end at line ends, all in the same memory: a piece is good until the next one is asked for, which
 * is read meanwhile. Undefined for what is no plain file of lines, as `readsLines` tells them by their beginning: it is read in another way,
 * from its beginning.
 */
export async function openLinePieces(
  path: string,
  readsLines: (start: Uint8Array) => boolean,
  onRead: (bytes: number) => void = () => {},
): Promise<AsyncGenerator<Buffer> | undefined> {
  const file = await open(path);
  let isTaken = false;
  try {
    const pieces = new LinePieces(file, onRead);
    const start = await pieces.fill();
    isTaken = start.length > 0 && compressionOf(start) === undefined && readsLines(start);
    return isTaken ? pieces.all() : undefined;
  } finally {
    if (!isTaken) await file.close();
  }
}

class LinePieces {
  readonly #file: FileHandle;
  readonly #onRead: (bytes: number) => void;
  #buffer: Buffer = Buffer.allocUnsafeSlow(pieceBytes);
  /** Holds the piece that is worked on. */
  #other: Buffer = Buffer.alloc(0);
  /** Bytes at the front of the buffer that no piece had yet. */
  #held = 0;

  constructor(file: FileHandle, onRead: (bytes: number) => void) {
    this.#file = file;
    this.#onRead = onRead;
  }

  /** Reads on behind what is held, and gives all of that; no more than before when the file is at its end. */
  async fill(): Promise<Buffer> {
    if (this.#held === this.#buffer.length) {
      const before = this.#buffer;
      this.#buffer = Buffer.allocUnsafeSlow(2 * before.length);
      before.copy(this.#buffer);
    }
    const { bytesRead } = await this.#file.read(this.#buffer, this.#held, this.#buffer.length - this.#held);
    this.#held += bytesRead;
    return this.#buffer.subarray(0, this.#held);
  }

  async *all(): AsyncGenerator<Buffer> {
    let filling: Promise<Buffer> = Promise.resolve(this.#buffer.subarray(0, this.#held));
    try {
      for (let told = 0; ; ) {
        const bytes = await filling;
        if (bytes.length === told) {
          if (told > 0) yield bytes;
          return;
        }
        this.#onRead(bytes.length - told);
        const end = bytes.lastIndexOf(lineFeed) + 1;
        if (end > 0) this.#turnOver(end);
        told = this.#held;
        // Nobody waits for it while the piece is worked on, nor for what goes wrong with it.
        filling = this.fill();
        filling.catch(() => {});
        if (end > 0) yield bytes.subarray(0, end);
      }
    } finally {
      await filling.catch(() => {});
      await this.#file.close();
    }
  }

  /** What stands behind `end` begins the other buffer, which is filled while the piece before it is worked on. */
  #turnOver(end: number): void {
    const before = this.#buffer;
    this.#buffer = this.#other.length < before.length ? Buffer.allocUnsafeSlow(before.length) : this.#other;
    this.#other = before;
    this.#held = before.copy(this.#buffer, 0, end, this.#held);
  }
}

const lineFeed = 10;
