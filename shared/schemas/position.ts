/**
 * Where an output stands in its origin: the raw record's sequence number, and which output of that record it is (rule 2).
 * A chunk may end in the middle of a record; its end is `[sequence, subMax]` only when the record is complete.
 */
export type RecordPosition = readonly [sequence: string, sub: number];

/**
 * A raw record may hold several records (lines), and each may become several outputs. `sub` counts them both, in order: the
 * record's index times this, plus the output's index.
 */
export const outputsPerRecordMax = 1_000_000;

/** Behind every output of a record. */
export const subMax = Number.MAX_SAFE_INTEGER;

/** Decimal numbers without leading zeros, of any length: the longer one is larger. */
export function compareSequences(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

export function compareRecordPositions(a: RecordPosition, b: RecordPosition): number {
  return compareSequences(a[0], b[0]) || a[1] - b[1];
}

/**
 * Where a block stands in its slot's log (rule 7): the generation of the exchange shard, which is one more than the highest of
 * its parents', and the sequence number in it. Written so that the order of texts is the order of positions, which lets a
 * store compare them: `0000000g` `.` `lll` digits.
 */
export type LogPosition = string & { readonly __unit: 'log position' };

/** Before every block. */
export const logStart = '' as LogPosition;

export function logPosition(generation: number, sequence: string): LogPosition {
  return `${String(generation).padStart(8, '0')}.${String(sequence.length).padStart(3, '0')}${sequence}` as LogPosition;
}

export function generationOf(position: LogPosition): number {
  return position === logStart ? 0 : Number(position.slice(0, 8));
}

export function sequenceOf(position: LogPosition): string {
  return position.slice(12);
}

/** What Kinesis allows a sequence number to have, https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html. */
const sequenceDigitsMax = 129;

/**
 * The place of a block in its slot's log as one sequence number, for what the block has closed is put on the exchange again. In the order
 * of the positions.
 */
export function sequenceInLog(position: LogPosition): string {
  const digits = sequenceOf(position);
  // Behind the last block of a shard.
  const isEnd = digits === '';
  return `${generationOf(position)}${isEnd ? '9'.repeat(sequenceDigitsMax) : digits.padStart(sequenceDigitsMax, '0')}`;
}

/** Behind every block of the exchange shards of one generation: where a slot stands when its shard was read to the end. */
export function logEnd(generation: number): LogPosition {
  return `${String(generation).padStart(8, '0')}.999` as LogPosition;
}
