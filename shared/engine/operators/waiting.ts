import type { Json } from '#shared/pipeline/aggregator.ts';
import { canonicalJson } from '#shared/pipeline/plan-hash.ts';

// Records of a key that wait until the watermark has passed them, to be taken in the order of their event times.

interface Timed {
  readonly timeMs: number;
}

interface Tied extends Timed {
  readonly input: number;
  /** Its position, as text. */
  readonly at: string;
  readonly values: readonly unknown[];
}

/** Puts a record behind those of its time. Most records are newer than all before them. */
export function insertWaiting<One extends Timed>(waiting: One[], record: One): void {
  let place = waiting.length;
  while (place > 0 && (waiting[place - 1] as One).timeMs > record.timeMs) place -= 1;
  waiting.splice(place, 0, record);
}

/** Removes the records at or before `timeMs`, which are all of one time, and gives them. */
export function takeUntil<One extends Timed>(waiting: One[], timeMs: number): One[] {
  let count = 0;
  while (count < waiting.length && (waiting[count] as One).timeMs <= timeMs) count += 1;
  return waiting.splice(0, count);
}

/** The order of records of one time: by input, then by what they hold. Equal ones by position, which only a dead letter shows. */
export function inOrder<One extends Tied>(records: One[]): readonly One[] {
  if (records.length < 2) return records;
  return records
    .map((record) => ({ record, text: canonicalJson(record.values as readonly Json[]) }))
    .sort(
      (a, b) =>
        a.record.input - b.record.input || compareTexts(a.text, b.text) || compareTexts(a.record.at, b.record.at),
    )
    .map(({ record }) => record);
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a === b ? 0 : 1;
}
