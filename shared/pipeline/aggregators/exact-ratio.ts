/** The exact value `mantissa` * 2^`exponent`. Every finite number is one, and so is what adding and multiplying makes of them. */
export interface Binary {
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** The sum of finite numbers, exactly. */
export function binaryOf(numbers: readonly number[]): Binary {
  let total = zero;
  for (const number of numbers) total = plus(total, decompose(number));
  return total;
}

export function plus(a: Binary, b: Binary): Binary {
  if (a.exponent === b.exponent) return { mantissa: a.mantissa + b.mantissa, exponent: a.exponent };
  const exponent = Math.min(a.exponent, b.exponent);
  return { mantissa: mantissaAt(a, exponent) + mantissaAt(b, exponent), exponent };
}

export function minus(a: Binary, b: Binary): Binary {
  return plus(a, { mantissa: -b.mantissa, exponent: b.exponent });
}

export function times(a: Binary, b: Binary): Binary {
  return { mantissa: a.mantissa * b.mantissa, exponent: a.exponent + b.exponent };
}

/** The mantissa that the value has with another exponent, which is at most its own. */
export function mantissaAt({ mantissa, exponent }: Binary, least: number): bigint {
  return mantissa << BigInt(exponent - least);
}

/** The number nearest to `dividend` / `divisor`, of two equally near ones the even one: rounded once. The divisor is not 0. */
export function roundQuotient(dividend: Binary, divisor: Binary): number {
  const isNegative = dividend.mantissa < 0n !== divisor.mantissa < 0n;
  let above = magnitudeOf(dividend.mantissa);
  let below = magnitudeOf(divisor.mantissa);
  if (above === 0n) return 0;
  // Two bits more than a number has, so that what is cut off decides nothing but whether anything was.
  const shift = bitLengthOf(below) - bitLengthOf(above) + quotientBits;
  if (shift > 0) above <<= BigInt(shift);
  else below <<= BigInt(-shift);
  const exponent = dividend.exponent - divisor.exponent - shift;
  const quotient = above / below;
  const isCut = above % below !== 0n;
  const dropped = Math.max(bitLengthOf(quotient) - significantBits, exponentMin - exponent);
  const unit = 1n << BigInt(dropped);
  const rest = quotient % unit;
  const half = unit >> 1n;
  let rounded = quotient >> BigInt(dropped);
  if (rest > half || (rest === half && (isCut || rounded % 2n === 1n))) rounded += 1n;
  const magnitude = Number(rounded) * 2 ** (exponent + dropped);
  return isNegative ? 0 - magnitude : magnitude;
}

/**
 * The square root of `dividend` / `divisor`, which is not below 0, off by at most one unit in the last place. It is rounded twice, before and
 * after the root, which may be a number where the quotient is too large or too small for one: so even powers of 2 are taken out before.
 */
export function roundRoot(dividend: Binary, divisor: Binary): number {
  if (dividend.mantissa === 0n) return 0;
  const power = exponentOf(dividend) - exponentOf(divisor);
  const half = Math.floor(power / 2);
  return Math.sqrt(roundQuotient({ ...dividend, exponent: dividend.exponent - 2 * half }, divisor)) * 2 ** half;
}

/** The power of 2 that the value is below. */
function exponentOf({ mantissa, exponent }: Binary): number {
  return bitLengthOf(magnitudeOf(mantissa)) + exponent;
}

const zero: Binary = { mantissa: 0n, exponent: 0 };
const significantBits = 53;
const quotientBits = significantBits + 2;
/** Every finite number is a whole multiple of 2^-1074. */
const exponentMin = -1_074;

const double = new Float64Array(1);
const doubleBits = new BigUint64Array(double.buffer);

function decompose(value: number): Binary {
  // Most sums are whole, and short integers are quick.
  if (Number.isSafeInteger(value)) return { mantissa: BigInt(value), exponent: 0 };
  double[0] = Math.abs(value);
  const bits = doubleBits[0] as bigint;
  const power = Number(bits >> 52n);
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const mantissa = power === 0 ? fraction : fraction | 0x10_0000_0000_0000n;
  return { mantissa: value < 0 ? -mantissa : mantissa, exponent: Math.max(power, 1) - 1 + exponentMin };
}

function magnitudeOf(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function bitLengthOf(value: bigint): number {
  const hex = value.toString(16);
  return (hex.length - 1) * 4 + 32 - Math.clz32(Number.parseInt(hex.slice(0, 1), 16));
}
