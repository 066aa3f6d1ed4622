import type { Run, RunStore } from '#shared/ports/run-store.ts';
import { MinHeap } from './heap.ts';
import type { Overflow } from './overflow.ts';

/** That something of a key is to be looked at when the watermark has reached `endMs`. It may be in vain: what it was for may be gone. */
export interface Timer {
  readonly endMs: number;
  readonly key: string;
}

/** Timers in the order of their times. When memory is bounded, those that are far off lie on the disk. */
export class Timers {
  readonly #store: RunStore | undefined;
  /** Beyond this the later half goes to the disk. */
  readonly #limit: number;
  readonly #heap = newHeap();
  /** By what comes first of each. What is spilled is later than what is kept, so hardly any two are being read at a time. */
  readonly #runs = newRuns();

  /** Without a disk all are in memory. */
  constructor(overflow: Overflow | undefined) {
    this.#store = overflow?.store;
    this.#limit = overflow?.timersInMemoryMax ?? Number.POSITIVE_INFINITY;
  }

  add(endMs: number, key: string): void {
    this.#heap.push({ endMs, key });
    if (this.#store !== undefined && this.#heap.size > this.#limit) this.#spill(this.#store);
  }

  /** The first of them. */
  peek(): Timer | undefined {
    return this.#firstRun()?.head ?? this.#heap.peek();
  }

  pop(): Timer | undefined {
    const run = this.#firstRun();
    if (run === undefined) return this.#heap.pop();
    const { head } = run;
    this.#runs.pop();
    run.advance();
    if (run.head !== undefined) this.#runs.push(run);
    return head;
  }

  close(): void {
    for (let run = this.#runs.pop(); run !== undefined; run = this.#runs.pop()) run.remove();
  }

  /** The run that has a timer before all those in memory. */
  #firstRun(): TimerRun | undefined {
    const run = this.#runs.peek();
    return run !== undefined && run.endMs < (this.#heap.peek()?.endMs ?? Number.POSITIVE_INFINITY) ? run : undefined;
  }

  #spill(store: RunStore): void {
    const timers: Timer[] = [];
    for (let timer = this.#heap.pop(); timer !== undefined; timer = this.#heap.pop()) timers.push(timer);
    const kept = Math.floor(timers.length / 2);
    for (const timer of timers.slice(0, kept)) this.#heap.push(timer);
    this.#runs.push(new TimerRun(store, textsOf(timers.slice(kept))));
  }
}

/** What is left of a run. */
class TimerRun {
  readonly #run: Run;
  #entries: Iterator<readonly [key: string, value: string]> | undefined;
  head: Timer | undefined;

  constructor(store: RunStore, texts: readonly string[]) {
    const writer = store.begin(false);
    for (const text of texts) writer.add(text, '');
    this.#run = writer.end();
    this.head = timerOf(texts[0] as string);
  }

  get endMs(): number {
    return this.head?.endMs ?? Number.POSITIVE_INFINITY;
  }

  /** At the end the run is removed. */
  advance(): void {
    if (this.#entries === undefined) {
      this.#entries = this.#run.entries()[Symbol.iterator]();
      this.#entries.next();
    }
    const next = this.#entries.next();
    this.head = next.done === true ? undefined : timerOf(next.value[0]);
    if (this.head === undefined) this.remove();
  }

  remove(): void {
    this.#run.remove();
  }
}

/** In their order. Two timers of one key and time are one. */
function textsOf(timers: readonly Timer[]): readonly string[] {
  return [...new Set(timers.map(textOf))].sort();
}

function newRuns(): MinHeap<TimerRun> {
  return new MinHeap((a, b) => a.endMs - b.endMs);
}

function newHeap(): MinHeap<Timer> {
  return new MinHeap((a, b) => a.endMs - b.endMs);
}

const bits = new DataView(new ArrayBuffer(8));

/** A text that sorts by time and then by key: the bits of a number ascend with it, those of a negative one when they are turned over. */
function textOf({ endMs, key }: Timer): string {
  bits.setFloat64(0, endMs);
  const isNegative = bits.getInt32(0) < 0;
  const high = isNegative ? ~bits.getUint32(0) : bits.getUint32(0) ^ 0x80000000;
  const low = isNegative ? ~bits.getUint32(4) : bits.getUint32(4);
  return `${hexOf(high)}${hexOf(low)}${key}`;
}

function timerOf(text: string): Timer {
  const high = Number.parseInt(text.slice(0, 8), 16);
  const low = Number.parseInt(text.slice(8, 16), 16);
  const isNegative = high < 0x80000000;
  bits.setUint32(0, isNegative ? ~high : high ^ 0x80000000);
  bits.setUint32(4, isNegative ? ~low : low);
  return { endMs: bits.getFloat64(0), key: text.slice(16) };
}

function hexOf(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
