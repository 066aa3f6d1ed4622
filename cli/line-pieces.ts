import { type FileHandle, open } from 'node:fs/promises';
import { compressionOf } from '#shared/runtime/decode-tools.ts';

/** Fewer calls than with smaller ones; what is read still fits the processor's caches. */
const pieceBytes = 1 << 18;

/**
 * The bytes of a file of lines in pieces that end at line ends, all in the same memory: a piece is good until the next one is asked for.
 * Undefined for what is no plain file of lines, as `readsLines` tells them by their beginning: it is read in another way, from its beginning.
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
    try {
      let told = 0;
      for (let bytes: Buffer = this.#buffer.subarray(0, this.#held); ; ) {
        this.#onRead(this.#held - told);
        const end = bytes.lastIndexOf(lineFeed) + 1;
        if (end > 0) {
          yield bytes.subarray(0, end);
          this.#buffer.copyWithin(0, end, this.#held);
          this.#held -= end;
        }
        told = this.#held;
        bytes = await this.fill();
        if (bytes.length > told) continue;
        if (bytes.length > 0) yield bytes;
        return;
      }
    } finally {
      await this.#file.close();
    }
  }
}

const lineFeed = 10;
