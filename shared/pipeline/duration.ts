/** A length of time in milliseconds. Branded, so that a bare number is not taken for one. */
export type Duration = number & { readonly __unit: 'ms' };

export function milliseconds(count: number): Duration {
  return count as Duration;
}

export function seconds(count: number): Duration {
  return times(count, 1_000);
}

export function minutes(count: number): Duration {
  return times(count, 60_000);
}

export function hours(count: number): Duration {
  return times(count, 3_600_000);
}

export function days(count: number): Duration {
  return times(count, 86_400_000);
}

/**
 * What is no number stays as it is, for who takes the duration knows what it is for, and says so. A text or null would become one.
 * `minutes(0.017)` is 1,020 ms, which the product of the two binary numbers misses by its rounding.
 */
function times(count: number, unitMs: number): Duration {
  if (typeof count !== 'number') return milliseconds(count);
  const exact = count * unitMs;
  const whole = Math.round(exact);
  return milliseconds(Math.abs(exact - whole) <= Math.abs(exact) * Number.EPSILON ? whole : exact);
}
