/** Exact arithmetic over the finite numbers, each of which is a whole multiple of 2^-1074: what tests compare sums with. */
export function scaledOf(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const exponent = Number(bits >> 52n);
  const fraction = bits % 2n ** 52n;
  const scaled = exponent === 0 ? fraction : (fraction + 2n ** 52n) * 2n ** BigInt(exponent - 1);
  return value < 0 ? -scaled : scaled;
}

/** What `scaledOf` multiplies by. */
export const unit = 2n ** 1_074n;

/** Whether no other number is nearer to `sum(values) / count`, and of two equally near ones `result` is the even one. */
export function isNearest(result: number, values: readonly number[], count = 1): boolean {
  return isNearestRatio(
    result,
    values.reduce((total, value) => total + scaledOf(value), 0n),
    BigInt(count) * unit,
  );
}

/** Whether no other number is nearer to `dividend / divisor`, which is above 0, and of two equally near ones `result` is the even one. */
export function isNearestRatio(result: number, dividend: bigint, divisor: bigint): boolean {
  const distanceOf = (candidate: number): bigint => {
    const distance = scaledOf(candidate) * divisor - dividend * unit;
    return distance < 0n ? -distance : distance;
  };
  const own = distanceOf(result);
  return neighboursOf(result).every((neighbour) => {
    const other = distanceOf(neighbour);
    return own < other || (own === other && scaledBitsOf(result) % 2n === 0n);
  });
}

function neighboursOf(value: number): readonly number[] {
  const bits = scaledBitsOf(value);
  const up = numberOf(bits + 1n);
  const down = bits === 0n ? -up : numberOf(bits - 1n);
  return value < 0 ? [-up, -down] : [up, down];
}

function scaledBitsOf(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  return view.getBigUint64(0);
}

function numberOf(bits: bigint): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}
