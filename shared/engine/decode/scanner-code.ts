import type { ComputedField } from '#shared/pipeline/shape.ts';
import type { Hole, JsonTemplate, TemplateObject } from './json-template.ts';
import { scanTime } from './json-time.ts';
import {
  hashText,
  missed,
  type ScanCursor,
  scanBoolean,
  scanJudged,
  scanLineEnd,
  scanNumber,
  scanText,
  skipPlainText,
  skipValue,
} from './json-values.ts';
import type { TextCache } from './text-cache.ts';

/** Reads a line as its template says; undefined when it is another one. The cursor is then anywhere. */
export type ScanLine = (bytes: Uint8Array, start: number, words: DataView) => object | undefined;

/** The hash of the text of a line that is a key, behind which the cursor is; undefined when the line is another one. */
export type HashKey = (bytes: Uint8Array, start: number, words: DataView) => number | undefined;

/** Makes the function that reads the lines of a template. `caches`, by hole, make its texts; the cursor is behind the line that was read. */
export function compileScan(
  { literals, holes, result, computed }: JsonTemplate,
  { cursor, caches }: { readonly cursor: ScanCursor; readonly caches: readonly (TextCache | undefined)[] },
): ScanLine {
  const lines = holes.map((hole, index) => `${compareSource(literals[index] as string)}\n  ${holeSource(hole, index)}`);
  const source = `'use strict';
return (bytes, start, words) => {
  let at = start;
  ${lines.join('\n  ')}
  ${compareSource(literals.at(-1) as string)}
  at = scanLineEnd(bytes, at);
  if (at === -1) return undefined;
  cursor.at = at;
  const record = ${objectSource(result, holes)};
  ${computed.length === 0 ? '' : 'if (!complete(record)) return undefined;'}
  return record;
};`;
  const lent = {
    cursor,
    complete: completer(computed),
    caches,
    schemas: holes.map((hole) => (hole.kind === 'judged' ? hole.schema : undefined)),
    missed,
    scanBoolean,
    scanJudged,
    scanLineEnd,
    scanNumber,
    scanText,
    scanTime,
    skipPlainText,
    skipValue,
  };
  return new Function(...Object.keys(lent), source)(...Object.values(lent)) as ScanLine;
}

/** Makes the function that finds the text in a hole of a template's lines, and gives its hash. */
export function compileHash({ literals, holes }: JsonTemplate, hole: number, cursor: ScanCursor): HashKey {
  const isText = (kind: Hole['kind']): boolean =>
    kind.endsWith('text') || kind === 'text choice' || kind === 'timestamp';
  const skips = holes.slice(0, hole).map(({ kind }, index) => {
    const end = isText(kind) ? 'skipPlainText(bytes, at, words)' : 'skipValue(bytes, at)';
    return `${compareSource(literals[index] as string)}\n  at = ${end}; if (at === -1) return undefined;`;
  });
  // Where a text's own schema judges it, its quote is no part of what never changes.
  const opening = holes[hole]?.kind === 'judged' ? '"' : '';
  const source = `'use strict';
return (bytes, start, words) => {
  let at = start;
  ${skips.join('\n  ')}
  ${compareSource(`${literals[hole]}${opening}`)}
  return hashText(bytes, at, cursor, words);
};`;
  const lent = { cursor, hashText, skipPlainText, skipValue };
  return new Function(...Object.keys(lent), source)(...Object.values(lent)) as HashKey;
}

const wordBytes = 4;

/** Compares bytes, four at a time, the numbers of which are all that comes from a record into the source. */
function compareSource(literal: string): string {
  if (literal === '') return '';
  const { length } = literal;
  const comparisons = [];
  if (length < wordBytes) {
    for (let index = 0; index < length; index += 1)
      comparisons.push(`bytes[${place(index)}] !== ${literal.charCodeAt(index)}`);
  } else {
    comparisons.push(`at > bytes.length - ${length}`);
    for (let index = 0; index < length; index += wordBytes) {
      // The last word ends where the literal does.
      const first = Math.min(index, length - wordBytes);
      comparisons.push(`words.getInt32(${place(first)}, true) !== ${wordOf(literal, first)}`);
    }
  }
  return `if (${comparisons.join(' || ')}) return undefined;\n  at += ${length};`;
}

/** So many bytes behind the place at hand, in the source. */
function place(index: number): string {
  return index === 0 ? 'at' : `at + ${index}`;
}

function wordOf(literal: string, first: number): number {
  let word = 0;
  for (let index = 0; index < wordBytes; index += 1) word |= literal.charCodeAt(first + index) << (8 * index);
  return word;
}

function holeSource(hole: Hole, index: number): string {
  const value = `value${index}`;
  const next = 'at = cursor.at;';
  switch (hole.kind) {
    case 'text':
      return `const ${value} = scanText(bytes, at, cursor, caches[${index}], words); if (${value} === undefined) return undefined; ${next}`;
    case 'unread text':
      return 'at = skipPlainText(bytes, at, words); if (at === -1) return undefined;';
    case 'text choice':
      return `const ${value} = scanText(bytes, at, cursor, caches[${index}], words); if (${noneOf(value, hole.values)}) return undefined; ${next}`;
    case 'number choice':
      return `const ${value} = scanNumber(bytes, at, cursor); if (${noneOf(value, hole.values)}) return undefined; ${next}`;
    case 'number':
      return `${numberSource(hole.length, value)} if (${value} !== ${value}) return undefined;`;
    case 'integer':
      return `${numberSource(hole.length, value)} if (!Number.isInteger(${value})) return undefined;`;
    case 'timestamp':
      return `const ${value} = scanTime(bytes, at, cursor); if (${value} !== ${value}) return undefined; ${next}`;
    case 'boolean':
      return `const ${value} = scanBoolean(bytes, at, cursor); if (${value} === -1) return undefined; ${next}`;
    case 'judged':
      return `const ${value} = scanJudged(bytes, at, cursor, caches[${index}], words, schemas[${index}]); if (${value} === missed) return undefined; ${next}`;
    case 'skipped':
      return 'at = skipValue(bytes, at); if (at === -1) return undefined;';
  }
}

function noneOf(value: string, values: readonly (string | number)[]): string {
  return values.map((one) => `${value} !== ${JSON.stringify(one)}`).join(' && ');
}

/**
 * Numbers that are long, such as times, are most often all of one length: their digits are then read four at a time and not one after the
 * other, by the sums that two multiplications make side by side (D. Lemire, "Quickly parsing eight digits", 2018). Any other is read by
 * `scanNumber`.
 */
function numberSource(length: number, value: string): string {
  const scanned = `${value} = scanNumber(bytes, at, cursor); at = cursor.at;`;
  if (length < longDigitsMin || length > longDigitsMax) return `let ${scanned}`;
  const lead = length % wordBytes;
  const leads = Array.from({ length: lead }, (_, index) => `${value}d${index}`);
  const words = Array.from({ length: (length - lead) / wordBytes }, (_, index) => `${value}w${index}`);
  const declared = [
    ...leads.map((digit, index) => `${digit} = bytes[${place(index)}] - 48`),
    ...words.map((word, index) => `${word} = words.getInt32(${place(lead + wordBytes * index)}, true)`),
    `${value}next = bytes[at + ${length}]`,
  ].join(', ');
  const areDigits = [
    // Neither of zeros first, nor what is no digit at all.
    ...(lead === 0 ? [`bytes[at] !== 48`] : []),
    ...leads.map((digit, index) => `${digit} >= ${index === 0 ? 1 : 0} && ${digit} <= 9`),
    ...words.map((word) => `((${word} & 0xf0f0f0f0) | (((${word} + 0x06060606) & 0xf0f0f0f0) >>> 4)) === 0x33333333`),
    `(${value}next === 44 || ${value}next === 125)`,
  ].join(' && ');
  const wordValue = (word: string | undefined): string =>
    `(Math.imul((Math.imul(${word} & 0x0f0f0f0f, 2561) >>> 8) & 0x00ff00ff, 6553601) >>> 16)`;
  const leadValue = leads.map((digit, index) => `Math.imul(${digit}, ${10 ** (lead - 1 - index)})`).join(' + ') || '0';
  // Each half is a small integer.
  const [low1, low0] = [words.at(-1), words.at(-2)];
  const high = words.length > 2 ? `(Math.imul(${leadValue}, 10000) + ${wordValue(words[0])})` : `(${leadValue})`;
  const sum = `${high} * ${10 ** (2 * wordBytes)} + (Math.imul(${wordValue(low0)}, 10000) + ${wordValue(low1)})`;
  return `let ${value};
  if (at < bytes.length - ${length}) {
    const ${declared};
    if (${areDigits}) { ${value} = ${sum}; at += ${length}; } else { ${scanned} }
  } else { ${scanned} }`;
}

const longDigitsMin = 10;
const longDigitsMax = 15;

/** The record as an object literal, so that all records of a template are of one hidden class. */
function objectSource(object: TemplateObject, holes: readonly Hole[]): string {
  const fields = Object.entries(object).map(([name, value]) => {
    if (value === null) return `${JSON.stringify(name)}: null`;
    if (typeof value === 'object') return `${JSON.stringify(name)}: ${objectSource(value, holes)}`;
    return `${JSON.stringify(name)}: ${valueSource(`value${value}`, holes[value])}`;
  });
  return `{ ${fields.join(', ')} }`;
}

function valueSource(value: string, hole: Hole | undefined): string {
  if (hole?.kind === 'boolean') return `${value} === 1`;
  return hole !== undefined && 'isPlainZero' in hole && hole.isPlainZero ? `${value} + 0` : value;
}

/** Adds what is computed; false when it throws. */
function completer(computed: readonly ComputedField[]): (record: Record<string, unknown>) => boolean {
  return (record) => {
    try {
      for (let at = 0; at < computed.length; at += 1) {
        const { name, evaluate } = computed[at] as ComputedField;
        record[name] = evaluate(record);
      }
    } catch {
      return false;
    }
    return true;
  };
}
