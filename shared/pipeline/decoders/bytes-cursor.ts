import type { DecodeTools } from '../decoder.ts';

/** What a binary format throws that cannot go on: what is wrong, at which byte, and in which field when that is known. */
export class Misread extends Error {
  readonly what: string;
  /** From 0, in the bytes that the cursor was made with. */
  readonly at: number;
  readonly path: readonly string[];

  constructor(what: string, at: number, path: readonly string[] = []) {
    super(`${path.length === 0 ? '' : `field ${path.join('.')}, `}byte ${at}: ${what}`);
    this.what = what;
    this.at = at;
    this.path = path;
  }

  within(field: string): Misread {
    return new Misread(this.what, this.at, [field, ...this.path]);
  }
}

/** What one value may hold in fields and elements, of which some take no bytes. */
const nodesMax = 1_000_000;
/** How deep values may lie in each other. */
const depthMax = 64;

/** Reads bytes from the first to the last, never beyond. */
export class BytesCursor {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly tools: DecodeTools;
  at: number;
  /** Where what is read ends. */
  limit: number;
  #nodes = 0;
  #depth = 0;

  constructor(bytes: Uint8Array, tools: DecodeTools, at = 0) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.tools = tools;
    this.at = at;
    this.limit = bytes.length;
  }

  get left(): number {
    return this.limit - this.at;
  }

  fail(what: string, at = this.at): never {
    throw new Misread(what, at);
  }

  /** Begins a value of its own, which may hold as much as any. */
  begin(): void {
    this.#nodes = 0;
    this.#depth = 0;
  }

  /** Goes into a value that holds others, or out of it. */
  enter(): void {
    this.#nodes += 1;
    this.#depth += 1;
    if (this.#nodes > nodesMax) this.fail(`the record holds more than ${nodesMax} fields and elements`);
    if (this.#depth > depthMax) this.fail(`the record is nested deeper than ${depthMax}`);
  }

  leave(): void {
    this.#depth -= 1;
  }

  byte(): number {
    const value = this.bytes[this.at];
    if (value === undefined || this.at >= this.limit) this.fail('the bytes end here, in the middle of a value');
    this.at += 1;
    return value;
  }

  take(length: number, what: string): Uint8Array {
    if (!(length >= 0 && length <= this.left))
      this.fail(`${what} has a length of ${length} bytes, and ${this.left} are left`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** A copy: the host's bytes may be of a class of their own, and are kept no longer than the record. */
  copy(length: number, what: string): Uint8Array {
    return Uint8Array.from(this.take(length, what));
  }

  text(length: number, what: string): string {
    const start = this.at;
    const text = this.tools.text(this.take(length, what));
    if (text === undefined) this.fail(`${what} is no UTF-8 text`, start);
    return text;
  }

  float(): number {
    this.take(4, 'a float');
    return this.#view.getFloat32(this.at - 4, true);
  }

  double(): number {
    this.take(8, 'a double');
    return this.#view.getFloat64(this.at - 8, true);
  }

  fixed32(): number {
    this.take(4, 'a number of 32 bits');
    return this.#view.getUint32(this.at - 4, true);
  }

  fixed64(): bigint {
    this.take(8, 'a number of 64 bits');
    return this.#view.getBigUint64(this.at - 8, true);
  }

  /** A varint of at most 64 bits, as a number when it is a safe one. */
  varint(): number | bigint {
    const start = this.at;
    // Seven digits of the base 128 are below 2^49, which a number holds.
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 7; count += 1) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    let rest = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      rest += BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (rest >= 1n << 64n) break;
      return numberOf(rest);
    }
    this.fail('a number takes more than 64 bits', start);
  }

  /** A signed number of at most 64 bits as a zigzag varint, as a number when it is a safe one. */
  long(): number | bigint {
    return unzigzag(this.varint());
  }

  /** A length or a count, signed as Avro has it. */
  count(what: string): number {
    const start = this.at;
    const value = this.long();
    if (typeof value !== 'number') this.fail(`${what} is ${value}`, start);
    return value;
  }

  /** A length or a number, unsigned as Protocol Buffers have it. */
  size(what: string): number {
    const start = this.at;
    const value = this.varint();
    if (typeof value !== 'number') this.fail(`${what} is ${value}`, start);
    return value;
  }
}

/** A number when it is a safe one. */
export function numberOf(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** 0, -1, 1, -2, ... */
export function unzigzag(value: number | bigint): number | bigint {
  if (typeof value === 'number') return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  return numberOf(value & 1n ? -((value + 1n) >> 1n) : value >> 1n);
}
