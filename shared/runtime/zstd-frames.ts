/**
 * Tells where the frames of zstd end. Node.js decompresses the first frame of what it is handed and drops what follows in the same piece,
 * silently; several frames are what `zstd` makes of files that are appended to, and `pzstd` of any file.
 *
 * RFC 8878, https://www.rfc-editor.org/rfc/rfc8878#section-3.1
 */
export class ZstdFrames {
  #next: 'magic' | 'descriptor' | 'block' | 'skippable' = 'magic';
  /** Bytes to pass over before the next field. */
  #skip = 0;
  #field: number[] = [];
  #hasChecksum = false;

  /** True between frames: what ended here is whole. */
  get isWhole(): boolean {
    return this.#next === 'magic' && this.#skip === 0 && this.#field.length === 0;
  }

  /** Takes the next bytes; gives the offsets in them at which a frame ends. Throws an Error that says what is no zstd. */
  endsIn(bytes: Uint8Array): readonly number[] {
    const ends: number[] = [];
    for (let at = 0; ; ) {
      const passed = Math.min(this.#skip, bytes.length - at);
      at += passed;
      this.#skip -= passed;
      if (this.isWhole && at > 0 && ends.at(-1) !== at && passed > 0) ends.push(at);
      if (at >= bytes.length) return ends;
      this.#field.push(bytes[at] as number);
      at += 1;
      if (this.#field.length < fieldBytes[this.#next]) continue;
      this.#takeField(this.#field.splice(0));
      if (this.isWhole) ends.push(at);
    }
  }

  #takeField(field: readonly number[]): void {
    const number = field.reduce((sum, byte, index) => sum + byte * 2 ** (8 * index), 0);
    switch (this.#next) {
      case 'magic':
        if (number === frameMagic) this.#next = 'descriptor';
        else if (number >= skippableMagicMin && number <= skippableMagicMin + 15) this.#next = 'skippable';
        else throw new Error('what follows a frame of zstd is no other one');
        return;
      case 'skippable':
        this.#skip = number;
        this.#next = 'magic';
        return;
      case 'descriptor': {
        const isSingle = (number & 0x20) !== 0;
        this.#hasChecksum = (number & 0x04) !== 0;
        const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][number >> 6] as number;
        this.#skip = (isSingle ? 0 : 1) + ([0, 1, 2, 4][number & 3] as number) + sizeBytes;
        this.#next = 'block';
        return;
      }
      case 'block': {
        const isLast = (number & 1) !== 0;
        const kind = (number >> 1) & 3;
        if (kind === reservedBlock) throw new Error('a block of zstd is of the reserved type');
        this.#skip = (kind === repeatedBlock ? 1 : number >> 3) + (isLast && this.#hasChecksum ? checksumBytes : 0);
        if (isLast) this.#next = 'magic';
        return;
      }
    }
  }
}

const fieldBytes = { magic: 4, descriptor: 1, block: 3, skippable: 4 } as const;
const frameMagic = 0xfd2fb528;
const skippableMagicMin = 0x184d2a50;
const repeatedBlock = 1;
const reservedBlock = 3;
const checksumBytes = 4;
