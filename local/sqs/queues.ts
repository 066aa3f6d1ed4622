import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { openAppendLog } from '../append-log.ts';

export interface Message {
  readonly id: string;
  readonly body: string;
  readonly sentMs: number;
  visibleMs: number;
  receiveCount: number;
  firstReceivedMs: number | undefined;
  receipt: string | undefined;
}

type Change =
  | { readonly op: 'create'; readonly queue: string }
  | { readonly op: 'send'; readonly queue: string; readonly id: string; readonly body: string; readonly sentMs: number }
  | { readonly op: 'delete'; readonly queue: string; readonly ids: readonly string[] };

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html */
export const visibilitySecondsDefault = 30;

/** Queues on disk. Which messages are being looked at is not kept: after a restart all are visible again. */
export class Queues {
  readonly #queues = new Map<string, Map<string, Message>>();
  readonly #log;
  readonly #now: () => number;

  constructor(options: { readonly folder: string; readonly now: () => number }) {
    this.#now = options.now;
    this.#log = openAppendLog<Change>(join(options.folder, 'queues.log'), (change) => this.#apply(change));
    // What was deleted needs no place: the log is written anew from what is left.
    this.#log.replace([...this.#changes()]);
  }

  names(): readonly string[] {
    return [...this.#queues.keys()];
  }

  has(queue: string): boolean {
    return this.#queues.has(queue);
  }

  create(queue: string): void {
    if (!this.#queues.has(queue)) this.#change({ op: 'create', queue });
  }

  send(queue: string, body: string): string {
    const id = randomUUID();
    this.#change({ op: 'send', queue, id, body, sentMs: this.#now() });
    return id;
  }

  /** Up to `max` visible messages, which then are invisible for `visibilitySeconds`. */
  receive(queue: string, max: number, visibilitySeconds: number): readonly Message[] {
    const nowMs = this.#now();
    const received: Message[] = [];
    for (const message of this.#queues.get(queue)?.values() ?? []) {
      if (received.length === max) break;
      if (message.visibleMs > nowMs) continue;
      message.visibleMs = nowMs + visibilitySeconds * 1_000;
      message.receiveCount += 1;
      message.firstReceivedMs ??= nowMs;
      message.receipt = `${message.id}#${message.receiveCount}`;
      received.push(message);
    }
    return received;
  }

  /** False when the receipt is of no message that is there. */
  changeVisibility(queue: string, receipt: string, visibilitySeconds: number): boolean {
    const message = this.#find(queue, receipt);
    if (message !== undefined) message.visibleMs = this.#now() + visibilitySeconds * 1_000;
    return message !== undefined;
  }

  /** Deleting what is gone already is no error, as in SQS. */
  delete(queue: string, receipt: string): void {
    const message = this.#find(queue, receipt);
    if (message !== undefined) this.#change({ op: 'delete', queue, ids: [message.id] });
  }

  purge(queue: string): void {
    this.#change({ op: 'delete', queue, ids: [...(this.#queues.get(queue)?.keys() ?? [])] });
  }

  counts(queue: string): { readonly visible: number; readonly inFlight: number } {
    const messages = [...(this.#queues.get(queue)?.values() ?? [])];
    const inFlight = messages.filter((message) => message.visibleMs > this.#now()).length;
    return { visible: messages.length - inFlight, inFlight };
  }

  /** All bodies, oldest first, without receiving them. */
  peek(queue: string): readonly string[] {
    return [...(this.#queues.get(queue)?.values() ?? [])].map((message) => message.body);
  }

  #find(queue: string, receipt: string): Message | undefined {
    return this.#queues.get(queue)?.get(receipt.split('#')[0] ?? '');
  }

  #change(change: Change): void {
    this.#log.append(change);
    this.#apply(change);
  }

  #apply(change: Change): void {
    if (change.op === 'create') {
      this.#queues.set(change.queue, new Map());
      return;
    }
    const queue = this.#queues.get(change.queue);
    if (change.op === 'delete') {
      for (const id of change.ids) queue?.delete(id);
      return;
    }
    const { id, body, sentMs } = change;
    queue?.set(id, { id, body, sentMs, visibleMs: 0, receiveCount: 0, firstReceivedMs: undefined, receipt: undefined });
  }

  *#changes(): Iterable<Change> {
    for (const [queue, messages] of this.#queues) {
      yield { op: 'create', queue };
      for (const { id, body, sentMs } of messages.values()) yield { op: 'send', queue, id, body, sentMs };
    }
  }
}
