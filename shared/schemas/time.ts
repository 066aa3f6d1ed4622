/** ISO 8601 with milliseconds in UTC; a year before 0 has six digits, as in JavaScript. Without Date: the engine has no clock, and Date is one. */
export function toIso(timeMs: number): string {
  const { year, month, day, msOfDay: rest } = civilOf(timeMs);
  const pad = (value: number, width: number): string => String(value).padStart(width, '0');
  const hour = Math.floor(rest / 3_600_000);
  const minute = Math.floor(rest / 60_000) % 60;
  const second = Math.floor(rest / 1_000) % 60;
  const shownYear = year < 0 ? `-${pad(-year, 6)}` : pad(year, 4);
  return `${shownYear}-${pad(month, 2)}-${pad(day, 2)}T${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}.${pad(rest % 1_000, 3)}Z`;
}

export const dayMs = 86_400_000;

/** The time that `toIso` shows so, or the start of the day that is its first part; NaN for any other text. */
export function fromIso(text: string): number {
  const [, year, month, day, hour = '0', minute = '0', second = '0', ms = '0'] = isoForm.exec(text) ?? [];
  if (year === undefined) return Number.NaN;
  const [hours, minutes, seconds] = [Number(hour), Number(minute), Number(second)];
  return (
    daysOf(Number(year), Number(month), Number(day)) * dayMs +
    ((hours * 60 + minutes) * 60 + seconds) * 1_000 +
    Number(ms)
  );
}

const isoForm = /^(-?\d{4,6})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2}):(\d{2})\.(\d{3})Z)?$/;

/** The year, month (1 to 12), day and time of a day that a time falls into, in UTC. */
export interface Civil {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly msOfDay: number;
}

/** Howard Hinnant, chrono-compatible low-level date algorithms, civil_from_days. */
export function civilOf(timeMs: number): Civil {
  const days = Math.floor(timeMs / dayMs);
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day, msOfDay: timeMs - days * dayMs };
}

/** The number of days since 1970 of a date, whose month is 1 to 12. The same source, days_from_civil. */
export function daysOf(year: number, month: number, day: number): number {
  const shiftedYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
