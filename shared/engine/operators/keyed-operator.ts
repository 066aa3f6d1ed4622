import { KeyedState, type KeyedStateOptions } from '#shared/engine/state/keyed-state.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import type { Emission, EmissionContext } from './emit.ts';
import type { Operator, StepInput } from './operator.ts';

/** An operator that keeps a value of each key, of which all that it saves is made. */
export abstract class KeyedOperator<V> implements Operator {
  protected readonly keys: KeyedState<V>;
  #isRestoring = false;

  constructor(options: KeyedStateOptions<V>) {
    this.keys = new KeyedState(options);
  }

  abstract add(input: StepInput): boolean;
  abstract advance(watermarkMs: number, context: EmissionContext, emission: Emission): void;
  abstract refresh(context: EmissionContext, emission: Emission): void;
  abstract save(): Iterable<Json>;
  abstract saveChanges(): Iterable<Json>;
  abstract get openCount(): number;

  /** Takes an entry, as `restore` does. */
  protected abstract restoreEntry(entry: Json): void;

  get keyCount(): number {
    return this.keys.count;
  }

  endSave(isStored: boolean): void {
    this.keys.endSave(isStored);
  }

  markSaved(): void {
    this.keys.markSaved();
  }

  restore(entry: Json): void {
    this.#isRestoring = true;
    this.restoreEntry(entry);
  }

  endRestore(): boolean {
    this.#isRestoring = false;
    return this.keys.endRestore();
  }

  get bytesHeld(): number {
    return this.keys.bytesHeld;
  }

  get bytesLeaving(): number {
    return this.keys.bytesLeaving;
  }

  spill(): void {
    this.keys.spill(this.#isRestoring);
  }

  work(entryCount: number): void {
    this.keys.work(entryCount);
  }

  close(): void {
    this.keys.close();
  }
}
