import type { StateStore } from '#shared/ports/state-store.ts';
import { assert, MillraceError } from '#shared/schemas/error.ts';
import { watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import type { OriginCounts, TriedApart } from '#shared/schemas/state.ts';
import { deaggregate } from './deaggregate.ts';
import type { RawRecord } from './raw-record.ts';

/** A lone record that has killed the process so often is taken for poison (rule 6). */
export const attemptsMax = 3;
/** The count of a lone record that has come through a plan's callbacks once: they are pure, so it always will. */
const cameThrough = 0;

export const noCounts: OriginCounts = { sequence: '', sent: 0, filtered: 0, rejected: 0 };

/** The one record of a batch, while its callbacks are called: a record that kills the process cannot report itself (rule 6). */
export class LoneRecord {
  readonly #state: StateStore;
  readonly #plan: string;
  readonly #source: string;
  readonly #shardId: string;
  readonly #record: RawRecord;
  /** What was noted of it before its callbacks were called. */
  #tried: OriginCounts | undefined;

  /** `plan` is the hash of the plan whose callbacks are called: another one's may die of what came through before it was deployed. */
  constructor(state: StateStore, plan: string, source: string, shardId: string, record: RawRecord) {
    this.#state = state;
    this.#plan = plan;
    this.#source = source;
    this.#shardId = shardId;
    this.#record = record;
  }

  /** Notes that the record is being tried; true when it has killed the process too often. */
  async begin(): Promise<boolean> {
    const { sequence, partitionKey, bytes } = this.#record;
    // A punctuation meets no callback, so what died on it died of something else.
    if (partitionKey === watermarkPartitionKey && deaggregate(bytes) === undefined) return false;
    for (;;) {
      const read = await this.#read();
      const attempt = read?.attempt?.sequence === sequence ? read.attempt : undefined;
      const count = attempt?.count ?? 0;
      if (attempt?.count === cameThrough && (attempt.plan ?? this.#plan) === this.#plan) return false;
      if (count > attemptsMax) return true;
      const tried = { ...(read ?? noCounts), attempt: { sequence, count: count + 1, plan: this.#plan } };
      if ((await this.#write(tried, read)) === 'conflict') continue;
      this.#tried = tried;
      return tried.attempt.count > attemptsMax;
    }
  }

  /**
   * Does something that calls no callback, such as asking a table, in the middle of a try. What it dies of is not the record, so the try is
   * taken back before, and noted again behind it.
   */
  async outside<T>(work: () => Promise<T>): Promise<T> {
    if (this.#tried === undefined) return work();
    await this.#takeBack(this.#tried);
    this.#tried = undefined;
    const result = await work();
    if (await this.begin()) throw this.#conflict('was taken for poison by another attempt');
    return result;
  }

  /** The callbacks have come through: what kills the process from here on, in any attempt, is not the record. */
  async pass(): Promise<void> {
    const { sequence } = this.#record;
    let read = this.#tried;
    while (read?.attempt?.sequence === sequence && read.attempt.count !== cameThrough) {
      if (read.attempt.count > attemptsMax)
        throw this.#conflict('came through after another attempt had taken it for poison');
      const passed = { ...read, attempt: { sequence, count: cameThrough, plan: this.#plan } };
      if ((await this.#write(passed, read)) === 'written') return;
      read = await this.#read();
    }
  }

  /**
   * The places of the user records that are poison in an aggregate that is, as a whole: each is tried alone by `probe`, whose process dies of
   * one so often. No output is made before all were, so that every attempt makes the same ones.
   */
  async poisonIn(count: number, probe: (place: number) => void): Promise<ReadonlySet<number>> {
    for (let read = await this.#read(); ; ) {
      const { at, count: tries, poison } = this.#apartOf(read);
      if (at >= count) return new Set(poison);
      const isPoison = tries >= attemptsMax;
      const begun = withApart(
        read,
        isPoison ? { at: at + 1, count: 0, poison: [...poison, at] } : { at, count: tries + 1, poison },
      );
      if ((await this.#write(begun, read)) === 'conflict') {
        read = await this.#read();
        continue;
      }
      read = begun;
      if (isPoison) continue;
      probe(at);
      // It has come through, so the tries of others that are at it are no deaths.
      while (this.#apartOf(read).at === at) {
        const passed = withApart(read, { ...this.#apartOf(read), at: at + 1, count: 0 });
        read = (await this.#write(passed, read)) === 'written' ? passed : await this.#read();
      }
    }
  }

  #apartOf(read: OriginCounts | undefined): TriedApart {
    if (read?.attempt?.sequence !== this.#record.sequence) throw this.#conflict('is not being tried any more');
    return read.attempt.apart ?? { at: 0, count: 0, poison: [] };
  }

  /** Takes this one try back, whoever else has tried the record since. */
  async #takeBack(tried: OriginCounts): Promise<void> {
    let read: OriginCounts | undefined = tried;
    while (read?.attempt?.sequence === this.#record.sequence && read.attempt.count !== cameThrough) {
      const { attempt: _, ...counts }: OriginCounts = read;
      const count: number = read.attempt.count - 1;
      const next = count === 0 ? counts : { ...counts, attempt: { ...read.attempt, count } };
      if ((await this.#write(next, read)) === 'written') return;
      read = await this.#read();
    }
  }

  #conflict(what: string): MillraceError {
    return new MillraceError(
      'STORE_CONFLICT',
      `record ${this.#record.sequence} of ${this.#shardId} ${what}; the batch will be sent again.`,
    );
  }

  #read(): Promise<OriginCounts | undefined> {
    return this.#state.readOrigin(this.#source, this.#shardId);
  }

  #write(counts: OriginCounts, read: OriginCounts | undefined): Promise<'written' | 'conflict'> {
    return this.#state.writeOrigin({ source: this.#source, shard: this.#shardId, counts, read });
  }
}

function withApart(read: OriginCounts | undefined, apart: TriedApart): OriginCounts {
  assert(read?.attempt !== undefined, 'what is tried apart was tried as a whole');
  return { ...read, attempt: { ...read.attempt, apart } };
}
