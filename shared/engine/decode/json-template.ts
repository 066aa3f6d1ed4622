import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type Need, wholeNeed } from '#shared/engine/compile/need.ts';
import type { ComputedField, FieldShape, ObjectShape } from '#shared/pipeline/shape.ts';
import { skipBlanks, skipValue } from './json-values.ts';

/** Something that is read at a place of a line: a field's value, or one that nobody asked for. */
export type Hole =
  /** A text that is unread must be one, and nobody wants it. */
  | { readonly kind: 'text' | 'unread text' | 'boolean' | 'timestamp' | 'skipped' }
  /** `length` is that of the example. */
  | { readonly kind: 'number' | 'integer'; readonly length: number; readonly isPlainZero: boolean }
  /** As the example's, a text or a number. */
  | { readonly kind: 'text choice' | 'number choice'; readonly values: readonly (string | number)[] }
  | { readonly kind: 'judged'; readonly schema: StandardSchemaV1 };

/** How a producer writes a record: bytes that are the same in each, with holes between them. */
export interface JsonTemplate {
  /** ASCII, one more than there are holes; the last is followed by the end of the line. */
  readonly literals: readonly string[];
  readonly holes: readonly Hole[];
  readonly result: TemplateObject;
  readonly computed: readonly ComputedField[];
}

/** The record: those of its fields that are needed, in the shape's order, with the index of a hole, an object of its own, or null. */
export interface TemplateObject {
  readonly [name: string]: number | null | TemplateObject;
}

/** Longer ones would be much code. */
const literalBytesMax = 4_096;
const holesMax = 256;

/**
 * The template of a line, from `start` up to its line feed, that a schema of these shapes has accepted; undefined when the line is unusual.
 * Keys and structure are bytes that do not change: a line with the same ones is JSON of the same structure, whatever fills the holes.
 *
 * Of several shapes, which are tried one after the other, it is the one before which each lacks a field in every line that is written so.
 */
export function templateOf(
  bytes: Uint8Array,
  start: number,
  { shapes, need }: { readonly shapes: readonly ObjectShape[]; readonly need: Need },
): JsonTemplate | undefined {
  for (const shape of shapes) {
    const reader = new TemplateReader(bytes, start);
    const template = reader.read(shape, need);
    if (template !== undefined || !reader.isRefused) return template;
  }
  return undefined;
}

class TemplateReader {
  readonly #bytes: Uint8Array;
  #at: number;
  #literal = '';
  #length = 0;
  readonly #literals: string[] = [];
  readonly #holes: Hole[] = [];
  /** A field is missing of which the shape alone says that it must be there: no line that is written so can fit it. */
  isRefused = false;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#at = start;
  }

  read(shape: ObjectShape, need: Need): JsonTemplate | undefined {
    // Only what a whole line's value is, so that nothing below has to look for the end of the bytes.
    const first = skipBlanks(this.#bytes, this.#at);
    const end = skipValue(this.#bytes, first);
    if (end === -1) return undefined;
    this.#takeUpTo(first);
    const result = this.#object(shape, need);
    if (result === undefined) return undefined;
    const tail = this.#bytes.indexOf(0x0a, this.#at);
    const stop = this.#bytes[tail - 1] === 0x0d ? tail - 1 : tail;
    if (tail === -1 || skipBlanks(this.#bytes, this.#at) < stop) return undefined;
    this.#takeUpTo(stop);
    this.#literals.push(this.#literal);
    const isUnusual = this.#length > literalBytesMax || this.#holes.length > holesMax;
    if (isUnusual || this.#literals.some((literal) => literal.includes('\r'))) return undefined;
    return { literals: this.#literals, holes: this.#holes, result, computed: shape.computed ?? [] };
  }

  /** Its fields are all there and right, whoever needs them. */
  #object(shape: ObjectShape, need: Need | undefined): TemplateObject | undefined {
    if (this.#bytes[this.#at] !== 0x7b) return undefined;
    const needOf = needsOfFields(need);
    const found = new Map<string, number | null | TemplateObject>();
    const names = new Set<string>();
    this.#takeUpTo(skipBlanks(this.#bytes, this.#at + 1));
    while (this.#bytes[this.#at] !== 0x7d) {
      if (this.#bytes[this.#at] === 0x2c) this.#takeUpTo(skipBlanks(this.#bytes, this.#at + 1));
      const keyEnd = skipValue(this.#bytes, this.#at);
      const name = JSON.parse(this.#textUpTo(keyEnd)) as string;
      // The last one counts, so all would have to be read.
      if (names.has(name)) return undefined;
      names.add(name);
      // Behind the colon.
      this.#takeUpTo(skipBlanks(this.#bytes, skipBlanks(this.#bytes, keyEnd) + 1));
      const field = shape.fields.find((one) => one.name === name);
      const value = field === undefined ? this.#hole({ kind: 'skipped' }) : this.#value(field, needOf(name));
      if (value === undefined) return undefined;
      if (field !== undefined) found.set(name, value);
      this.#takeUpTo(skipBlanks(this.#bytes, this.#at));
    }
    this.#takeUpTo(this.#at + 1);
    // The schema may have put something in the place of a field that is missing.
    const missing = shape.fields.filter(
      ({ name, isOptional, isNullWhenMissing }) => !isOptional && isNullWhenMissing !== true && !found.has(name),
    );
    if (missing.length > 0) {
      this.isRefused = missing.some(({ value }) => value.kind !== 'judged');
      return undefined;
    }
    return Object.fromEntries(
      shape.fields.flatMap(({ name, isNullWhenMissing }) => {
        const value = found.has(name) || isNullWhenMissing !== true ? found.get(name) : null;
        return value === undefined || needOf(name) === undefined ? [] : [[name, value]];
      }),
    );
  }

  #value({ value, isNullable }: FieldShape, need: Need | undefined): number | null | TemplateObject | undefined {
    const first = this.#bytes[this.#at];
    if (first === 0x6e && isNullable) {
      this.#takeUpTo(this.#at + 4);
      return null;
    }
    switch (value.kind) {
      case 'object':
        return this.#object(value, need);
      case 'string':
        return first === 0x22 ? this.#textHole({ kind: need === undefined ? 'unread text' : 'text' }) : undefined;
      case 'timestamp':
        return first === 0x22 ? this.#textHole({ kind: 'timestamp' }) : undefined;
      case 'number':
        return first === 0x2d || isDigit(first)
          ? this.#numberHole(value.isInteger ? 'integer' : 'number', value.isPlainZero === true)
          : undefined;
      case 'boolean':
        return first === 0x74 || first === 0x66 ? this.#hole({ kind: 'boolean' }) : undefined;
      case 'choice':
        return first === 0x22
          ? this.#textHole({ kind: 'text choice', values: value.values })
          : this.#hole({ kind: 'number choice', values: value.values });
      case 'judged':
        return this.#hole({ kind: 'judged', schema: value.schema });
    }
  }

  #numberHole(kind: 'number' | 'integer', isPlainZero: boolean): number {
    const end = skipValue(this.#bytes, this.#at);
    return this.#hole({ kind, length: end - this.#at, isPlainZero }, end);
  }

  #textHole(hole: Hole): number {
    const end = skipValue(this.#bytes, this.#at);
    this.#takeUpTo(this.#at + 1);
    return this.#hole(hole, end);
  }

  /** The value there, up to its end; what is read in its place later ends where that value ends. */
  #hole(hole: Hole, end = skipValue(this.#bytes, this.#at)): number {
    this.#literals.push(this.#literal);
    this.#literal = '';
    this.#at = end;
    this.#holes.push(hole);
    return this.#holes.length - 1;
  }

  #takeUpTo(end: number): void {
    this.#literal += this.#textUpTo(end);
    this.#length += end - this.#at;
    this.#at = end;
  }

  #textUpTo(end: number): string {
    let text = '';
    for (let at = this.#at; at < end; at += 1) text += String.fromCharCode(this.#bytes[at] as number);
    return text;
  }
}

/** What is needed of an object's fields. Of one that is asked for what every object has, all of it: that may lead to anything. */
export function needsOfFields(need: Need | undefined): (name: string) => Need | undefined {
  const isOfAll = (name: string): boolean => name in Object.prototype;
  if (need?.isWhole === true || [...(need?.fields.keys() ?? [])].some(isOfAll)) return () => wholeNeed;
  return (name) => need?.fields.get(name);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
