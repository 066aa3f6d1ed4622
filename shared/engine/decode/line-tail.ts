/** Room for a line that has no line feed behind it, which it has here. */
export class LineTail {
  #bytes = new Uint8Array(256);

  /** For so many bytes and a line feed behind them. */
  room(length: number): Uint8Array {
    if (this.#bytes.length <= length) this.#bytes = new Uint8Array(2 * length);
    return this.#bytes;
  }

  /** The bytes from `start` on, and a line feed. */
  copy(bytes: Uint8Array, start: number): Uint8Array {
    const length = bytes.length - start;
    const tail = this.room(length);
    for (let at = 0; at < length; at += 1) tail[at] = bytes[start + at] as number;
    tail[length] = lineFeed;
    return tail;
  }
}

const lineFeed = 0x0a;
