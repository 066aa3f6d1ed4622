import { createRequire, syncBuiltinESMExports } from 'node:module';
import { setTimeout } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';

// Node aborts the whole process when a thread is terminated between the making of a zlib handle and its set-up: its destructor asserts
// "close before init" (node_zlib.cc). AWS kills a process of its own, so only the embedded AWS must mind. Two flags keep the two apart, as
// Dekker had it. Each side raises its own before it looks at the other's, so at least one of them sees the other.
//
//     thread   calls = 1   ending? then wait here for the end   ... zlib ...   calls = 0
//     owner    ending = 1  calls? then wait until it is 0        terminate

/** What a thread and its owner share: whether the thread is inside of zlib, and whether its owner is about to terminate it. */
export type TerminationFlags = Int32Array<SharedArrayBuffer>;

const calls = 0;
const ending = 1;
/** A call of zlib is over within milliseconds. */
const lookEveryMs = 1;

export function createTerminationFlags(): TerminationFlags {
  return new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
}

/** In the thread, before it loads anything else: from now on it enters zlib only while nobody is about to terminate it. */
export function guardZlib(flags: TerminationFlags): void {
  let depth = 0;
  const guarded = <Result>(call: () => Result): Result => {
    if (depth === 0) {
      Atomics.store(flags, calls, 1);
      if (Atomics.load(flags, ending) === 1) {
        Atomics.store(flags, calls, 0);
        Atomics.wait(flags, ending, 1);
      }
    }
    depth += 1;
    try {
      return call();
    } finally {
      depth -= 1;
      if (depth === 0) Atomics.store(flags, calls, 0);
    }
  };
  const zlib: Record<string, unknown> = createRequire(import.meta.url)('node:zlib');
  for (const [name, exported] of Object.entries(zlib)) {
    // Some are functions, some classes, and the classes may be called without `new`. All make their handle before they return.
    if (typeof exported !== 'function') continue;
    const value = new Proxy(exported, {
      apply: (target, self, words) => guarded(() => Reflect.apply(target, self, words)),
      construct: (target, words, made) => guarded(() => Reflect.construct(target, words, made)),
    });
    Object.defineProperty(zlib, name, { value });
  }
  syncBuiltinESMExports();
}

/** Ends the thread, now and in the middle of whatever it does, but never inside of zlib. Resolves when it is gone. */
export async function terminate(worker: Worker, flags: TerminationFlags): Promise<void> {
  Atomics.store(flags, ending, 1);
  while (Atomics.load(flags, calls) === 1) await setTimeout(lookEveryMs);
  await worker.terminate();
}
