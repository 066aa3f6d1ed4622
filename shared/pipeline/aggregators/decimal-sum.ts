import type { Aggregator, Json } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { checkOneOf, givenOptions } from '../refuse.ts';
import { checkWhole, describe, unreadable } from './numeric.ts';

/** A decimal number: `units` / 10^`scale`. */
interface Decimal {
  units: bigint;
  scale: number;
}

/** The most digits of one value, before and behind the point. */
const decimalDigitsMax = 1_000;

/**
 * The exact sum of decimal numbers, such as money: `decimalSum((r) => r.price)` of '12.30' and '1.7' is '14.00'. Values are decimal texts
 * ('-12.30', '1e-3'), big integers, or numbers, which count as the shortest text that reads as them, so 0.1 is 0.1. A text of anything
 * else is refused.
 *
 * The result is a text with as many digits behind the point as the value that had the most, or with `scale`, which refuses values with
 * more. `as: 'number'` gives the number nearest to it. Nothing is rounded and nothing overflows: the sum is a whole number of any size.
 */
export function decimalSum<In>(
  of: (record: In, timeMs: number) => string | number | bigint,
  options: { readonly scale?: number; readonly as: 'number' },
): Aggregator<In, string, Decimal, number>;
export function decimalSum<In>(
  of: (record: In, timeMs: number) => string | number | bigint,
  options?: { readonly scale?: number; readonly as?: 'string' },
): Aggregator<In, string, Decimal, string>;
export function decimalSum<In>(
  of: (record: In, timeMs: number) => string | number | bigint,
  options: { readonly scale?: number; readonly as?: 'string' | 'number' } = {},
): Aggregator<In, string, Decimal, string | number> {
  const { scale, as = 'string' } = givenOptions('decimalSum', options, ['scale', 'as'], '{ scale: 2 }');
  checkOneOf('decimalSum:', 'as', as, ['string', 'number']);
  checkWhole({ kind: 'decimalSum', name: 'scale', value: scale ?? 0, min: 0, max: decimalDigitsMax });
  return {
    kind: 'decimal-sum',
    gives: as,
    config: { as, ...(scale === undefined ? {} : { scale }) },
    select: readingThrough(
      (record, timeMs) => {
        const value = of(record, timeMs);
        return typeof value === 'number' || typeof value === 'bigint' ? String(value) : value;
      },
      [of],
    ),
    refuse: (value) => refuse(value, scale),
    create: () => ({ units: 0n, scale: scale ?? 0 }),
    add: (sum, value) => addTo(sum, parse(value) as Decimal),
    merge: addTo,
    result: (sum) => (as === 'number' ? Number(textOf(sum)) : textOf(sum)),
    encode: textOf,
    decode: (encoded) => decode(encoded, scale),
  };
}

/** Changes `into`. */
function addTo(into: Decimal, { units, scale }: Decimal): Decimal {
  if (scale === into.scale) {
    into.units += units;
  } else if (scale < into.scale) {
    into.units += units * 10n ** BigInt(into.scale - scale);
  } else {
    into.units = into.units * 10n ** BigInt(scale - into.scale) + units;
    into.scale = scale;
  }
  return into;
}

const form = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;

/** Undefined for what is no decimal number, or one of too many digits. */
function parse(text: string): Decimal | undefined {
  const [, sign = '', whole = '', behind = '', exponent = '0'] = form.exec(text) ?? [];
  if (whole.length + behind.length === 0) return undefined;
  const scale = behind.length - Number(exponent);
  if (Math.max(whole.length, behind.length) > decimalDigitsMax || Math.abs(scale) > decimalDigitsMax) return undefined;
  const digits = BigInt(whole + behind) * (scale < 0 ? 10n ** BigInt(-scale) : 1n);
  return { units: sign === '-' ? -digits : digits, scale: Math.max(scale, 0) };
}

function refuse(value: unknown, scale: number | undefined): string | undefined {
  const parsed = typeof value === 'string' ? parse(value) : undefined;
  if (parsed === undefined)
    return `${describe(value)} is not a decimal number, such as "12.30", of at most ${decimalDigitsMax} digits`;
  if (scale === undefined || parsed.scale <= scale) return undefined;
  return `${describe(value)} has ${parsed.scale} digits behind the point; at most ${scale} are allowed`;
}

function textOf({ units, scale }: Decimal): string {
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${units < 0n ? '-' : ''}${digits.slice(0, point)}${scale === 0 ? '' : `.${digits.slice(point)}`}`;
}

const storedForm = /^-?\d+(?:\.\d+)?$/;

function decode(encoded: Json, scale: number | undefined): Decimal {
  const [, behind = ''] = typeof encoded === 'string' && storedForm.test(encoded) ? encoded.split('.') : [];
  const units = typeof encoded === 'string' && storedForm.test(encoded) ? BigInt(encoded.replace('.', '')) : undefined;
  if (units === undefined || behind.length > decimalDigitsMax || (scale !== undefined && scale !== behind.length))
    throw unreadable('decimal-sum', `a decimal number${scale === undefined ? '' : ` of scale ${scale}`}`, encoded);
  return { units, scale: behind.length };
}
