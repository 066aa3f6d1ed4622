import type { Run, RunStore } from '#shared/ports/run-store.ts';

/** Runs in memory, which show whether any was left behind. */
export interface MemoryRunStore extends RunStore {
  readonly runCount: () => number;
}

export function createMemoryRunStore(): MemoryRunStore {
  const runs = new Set<Run>();
  return {
    runCount: () => runs.size,
    begin: () => {
      const keys: string[] = [];
      const values: string[] = [];
      let bytes = 0;
      return {
        add: (key, value) => {
          const last = keys.at(-1);
          if (last !== undefined && last >= key)
            throw new Error(`Bug in Millrace: key ${key} of a run follows ${last}`);
          keys.push(key);
          values.push(value);
          bytes += key.length + value.length;
        },
        end: () => {
          const alive = (): void => {
            if (!runs.has(run)) throw new Error('Bug in Millrace: a run is read after it was removed');
          };
          const run: Run = {
            entryCount: keys.length,
            bytes,
            get: (key) => {
              alive();
              const at = placeOf(keys, key);
              return keys[at] === key ? values[at] : undefined;
            },
            entries: function* () {
              for (const [at, key] of keys.entries()) {
                alive();
                yield [key, values[at] as string];
              }
            },
            remove: () => {
              runs.delete(run);
            },
          };
          runs.add(run);
          return run;
        },
        discard: () => undefined,
      };
    },
  };
}

/** Of the first key that is not below `key`. */
function placeOf(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
