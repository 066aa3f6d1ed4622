import { Buffer } from 'node:buffer';
import { scanTime } from '#shared/engine/decode/json-time.ts';
import { type ScanCursor, scanBoolean, scanNumber, scanText, skipValue } from '#shared/engine/decode/json-values.ts';
import { TextCache } from '#shared/engine/decode/text-cache.ts';
import { timestamp } from '#shared/pipeline/record.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { mutate } from './decoders.ts';
import { jsonOf } from './line-formats.ts';
import type { Draw, FuzzTarget } from './targets.ts';

/** Numbers as JSON may have them, and as it may not. */
export function numberText(draw: Draw): string {
  const digits = (most: number): string => Array.from({ length: 1 + draw.below(most) }, () => draw.below(10)).join('');
  return draw.pick([
    () => String(draw.below(1e6)),
    () => String((draw.share() - 0.5) * 10 ** (draw.below(40) - 20)),
    () => `${draw.pick(['', '-', '+'])}${digits(18)}`,
    () => `${draw.pick(['', '-'])}${digits(10)}.${digits(10)}`,
    () => `${digits(3)}${draw.pick(['e', 'E'])}${draw.pick(['', '-', '+'])}${digits(3)}`,
    () =>
      draw.pick(
        '-0 0 00 0.0 -0.0 .5 5. 1e5 NaN 1_0 0x1 9007199254740993 123456789012345 1234567890123456 0.1234567890123456'.split(
          ' ',
        ),
      ),
  ])();
}

/** Times as RFC 3339 has them, and with one part that is too wide. */
export function timeText(draw: Draw): string {
  const wide = draw.below(8);
  const two = (end: number, part: number): string => String(draw.below(wide === part ? 100 : end)).padStart(2, '0');
  const year = wide === 0 ? draw.pick(['0000', '20a6', '9999', '2100']) : draw.pick(['2026', '2024', '1969', '1970']);
  const month = wide === 1 ? two(100, 1) : String(1 + draw.below(12)).padStart(2, '0');
  const day = String(1 + draw.below(wide === 2 ? 40 : 31)).padStart(2, '0');
  const fraction = draw.pick(['', '.123', '.1', '.123456', '.', '.9a9']);
  const text = `${year}-${month}-${day}T${two(24, 3)}:${two(60, 4)}:${two(60, 5)}${fraction}${draw.pick(['Z', 'Z', 'Z', 'z', '+01:00', ''])}`;
  return draw.chance(0.05) ? text.replace(draw.pick(['-', ':', 'T']), draw.pick([' ', '0'])) : text;
}

const cache = new TextCache(decodeTools.ascii);
const cursor: ScanCursor = { at: 0 };
const time = timestamp();
const wordsOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/** What is taken of a value must be what JSON.parse, or the schema, makes of the same text. */
export const scannedValueTargets: readonly FuzzTarget[] = [
  target(
    'number',
    numberText,
    (bytes) => scanNumber(bytes, 0, cursor),
    (text) => numbersOnly(JSON.parse(text)),
  ),
  target(
    'text',
    (draw) => JSON.stringify(draw.chance(0.5) ? String(jsonOf(draw)) : draw.pick(['Aa', 'BB', 'AaBB', 'BBAa', ''])),
    (bytes) => (bytes[0] === 0x22 ? scanText(bytes, 1, cursor, cache, wordsOf(bytes)) : undefined),
    JSON.parse,
  ),
  target(
    'time',
    (draw) => JSON.stringify(timeText(draw)),
    (bytes) => (bytes[0] === 0x22 ? scanTime(bytes, 1, cursor) : undefined),
    (text) => time.read(JSON.parse(text), [], []),
  ),
  target(
    'boolean',
    (draw) => draw.pick(['true', 'false', 'null', 'tru', 'falsy']),
    (bytes) => ({ 1: true, 0: false })[scanBoolean(bytes, 0, cursor)],
    JSON.parse,
  ),
  target(
    'skipped',
    (draw) => (draw.chance(0.3) ? numberText(draw) : JSON.stringify(jsonOf(draw), undefined, draw.pick([0, 0, '\t']))),
    (bytes) => {
      cursor.at = skipValue(bytes, 0);
      return cursor.at === -1 ? undefined : JSON.stringify(JSON.parse(decodeTools.ascii(bytes, 0, cursor.at)));
    },
    (text) => JSON.stringify(JSON.parse(text)),
  ),
];

function numbersOnly(value: unknown): number {
  if (typeof value !== 'number') throw new Error('another value');
  return value;
}

function target(
  name: string,
  make: (draw: Draw) => string,
  scan: (bytes: Uint8Array) => unknown,
  read: (text: string) => unknown,
): FuzzTarget {
  return {
    name: `scanned-${name}`,
    group: 'scanner',
    tryOne: (draw) => {
      const text = make(draw).replaceAll('\n', ' ');
      const bytes = draw.chance(0.5) ? Buffer.from(text) : Buffer.from(mutate(draw, Buffer.from(text)));
      const line = Buffer.concat([bytes.filter((byte) => byte !== 0x0a), Buffer.of(0x0a)]);
      const taken = scan(line);
      const isTaken = taken !== undefined && !Number.isNaN(taken) && cursor.at === line.length - 1;
      const whole = line.subarray(0, -1).toString('utf8');
      let expected: unknown;
      try {
        expected = read(whole);
      } catch {
        if (isTaken) throw new Error(`${JSON.stringify(whole)} is taken for ${taken}, and is nothing`);
        return;
      }
      if (isTaken && !Object.is(taken, expected))
        throw new Error(`${JSON.stringify(whole)} is taken for ${taken}, and is ${expected}`);
      // What everybody writes must not be left to the slow path.
      if (!isTaken && name === 'number' && /^-?(0|[1-9]\d{0,14})$/.test(whole))
        throw new Error(`${whole} is not taken`);
    },
  };
}
