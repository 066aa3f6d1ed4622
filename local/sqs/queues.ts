import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type AppendLog, openAppendLog } from '../append-log.ts';
import { type OwnedFolder, ownFolder } from '../folder.ts';
import { Fault } from './fault.ts';
import { attributeRanges, type NumericAttribute, queueNameCharactersMax, visibilitySecondsMax } from './limits.ts';
import { type Content, checkContent } from './message.ts';

export interface Message extends Content {
  readonly id: string;
  readonly sentMs: number;
  /** From when on it may be received. */
  readonly visibleMs: number;
  readonly receiveCount: number;
  readonly firstReceivedMs?: number | undefined;
  /** Of the last time it was received; only this one deletes it. */
  readonly receipt?: string | undefined;
}

export interface Queue {
  readonly name: string;
  readonly createdMs: number;
  modifiedMs: number;
  attributes: Readonly<Record<string, string>>;
  /** Oldest first. */
  readonly messages: Map<string, Message>;
}

type Change =
  | {
      readonly op: 'create' | 'attributes';
      readonly queue: string;
      readonly attributes: Readonly<Record<string, string>>;
      readonly atMs: number;
    }
  | { readonly op: 'put'; readonly queue: string; readonly messages: readonly Message[] }
  | { readonly op: 'delete'; readonly queue: string; readonly ids: readonly string[] }
  | { readonly op: 'drop'; readonly queue: string };

/** How many changes are logged, at least, before the log is written anew without what they replaced. */
const compactAfterChanges = 10_000;

/**
 * Standard queues on disk: each change is in the log before it is answered, so that a kill loses nothing, and a message that
 * was in flight is so after a restart too.
 *
 *     const queues = new Queues({ folder: '.millrace/sqs', now: () => Date.now() });
 */
export class Queues {
  readonly now: () => number;
  readonly #queues = new Map<string, Queue>();
  readonly #log: AppendLog<Change>;
  readonly #folder: OwnedFolder;
  #changeCount = 0;

  constructor(options: { readonly folder: string; readonly now: () => number }) {
    this.now = options.now;
    this.#folder = ownFolder(options.folder);
    try {
      this.#log = openAppendLog<Change>(join(options.folder, 'queues.log'), (change) => this.#apply(change));
    } catch (error) {
      this.#folder.release();
      throw error;
    }
    this.#compact();
  }

  close(): void {
    this.#log.close();
    this.#folder.release();
  }

  names(): readonly string[] {
    return [...this.#queues.keys()].sort();
  }

  has(queue: string): boolean {
    return this.#queues.has(queue);
  }

  get(queue: string): Queue {
    const found = this.#queues.get(queue);
    if (found === undefined) throw new Fault('QueueDoesNotExist', `The specified queue does not exist: ${queue}.`);
    return found;
  }

  /** Creating a queue that is there with the same attributes is no error; those that are not given do not count. */
  create(queue: string, attributes: Readonly<Record<string, string>> = {}): void {
    checkName(queue);
    checkAttributes(attributes);
    const known = this.#queues.get(queue);
    if (known === undefined) {
      this.#change({ op: 'create', queue, attributes: { ...initialAttributes, ...attributes }, atMs: this.now() });
      return;
    }
    const other = Object.keys(attributes).find((name) => known.attributes[name] !== attributes[name]);
    if (other !== undefined) {
      throw new Fault(
        'QueueNameExists',
        `A queue already exists with the same name and a different value for ${other}.`,
      );
    }
  }

  /** Makes the queue that a template describes, or gives one that is there what it says. What does nothing here is left out. */
  declare(queue: string, properties: Readonly<Record<string, unknown>>): void {
    const attributes = Object.fromEntries(
      Object.entries(properties).flatMap(([name, value]) => (name in attributeRanges ? [[name, String(value)]] : [])),
    );
    this.create(queue);
    const known = this.get(queue).attributes;
    if (Object.entries(attributes).some(([name, value]) => known[name] !== value))
      this.setAttributes(queue, attributes);
  }

  setAttributes(queue: string, attributes: Readonly<Record<string, string>>): void {
    checkAttributes(attributes);
    this.#change({ op: 'attributes', queue: this.get(queue).name, attributes, atMs: this.now() });
  }

  /** Removes the queue with all that is in it. */
  drop(queue: string): void {
    this.#change({ op: 'drop', queue: this.get(queue).name });
  }

  /** Gives the id of the stored message. */
  send(
    queue: string,
    body: string,
    options: { readonly delaySeconds?: number | undefined } & Partial<Content> = {},
  ): string {
    const content = { body, ...(options.attributes === undefined ? {} : { attributes: options.attributes }) };
    checkContent(content, this.#number(queue, 'MaximumMessageSize'));
    const delaySeconds = options.delaySeconds ?? this.#number(queue, 'DelaySeconds');
    checkRange('DelaySeconds', delaySeconds, attributeRanges.DelaySeconds);
    const sentMs = this.now();
    const message = { ...content, id: randomUUID(), sentMs, visibleMs: sentMs + delaySeconds * 1_000, receiveCount: 0 };
    this.#change({ op: 'put', queue, messages: [message] });
    return message.id;
  }

  /** Up to `max` visible messages, oldest first, which then are invisible for `visibilitySeconds`. */
  receive(
    queue: string,
    max: number,
    visibilitySeconds = this.#number(queue, 'VisibilityTimeout'),
  ): readonly Message[] {
    checkRange('VisibilityTimeout', visibilitySeconds, attributeRanges.VisibilityTimeout);
    const nowMs = this.now();
    const received: Message[] = [];
    for (const message of this.#retained(queue)) {
      if (received.length === max) break;
      if (message.visibleMs > nowMs) continue;
      received.push({
        ...message,
        visibleMs: nowMs + visibilitySeconds * 1_000,
        receiveCount: message.receiveCount + 1,
        firstReceivedMs: message.firstReceivedMs ?? nowMs,
        receipt: encodeReceipt(message.id),
      });
    }
    if (received.length > 0) this.#change({ op: 'put', queue, messages: received });
    return received;
  }

  /** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html */
  changeVisibility(queue: string, receipt: string, visibilitySeconds: number): void {
    checkRange('VisibilityTimeout', visibilitySeconds, attributeRanges.VisibilityTimeout);
    const message = this.get(queue).messages.get(decodeReceipt(receipt));
    const nowMs = this.now();
    if (message === undefined || message.receipt !== receipt || message.visibleMs <= nowMs) {
      throw new Fault(
        'MessageNotInflight',
        'The message is not in flight: its visibility timeout has passed, or it was deleted.',
      );
    }
    const changed = { ...message, visibleMs: nowMs + Math.min(visibilitySeconds, visibilitySecondsMax) * 1_000 };
    this.#change({ op: 'put', queue, messages: [changed] });
  }

  /**
   * Deleting what is gone already is no error. With the receipt of an earlier time the request succeeds and the message stays.
   * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
   */
  delete(queue: string, receipt: string): void {
    const message = this.get(queue).messages.get(decodeReceipt(receipt));
    if (message?.receipt === receipt) this.#change({ op: 'delete', queue, ids: [message.id] });
  }

  /** AWS refuses a second purge within 60 s; here it may be repeated. */
  purge(queue: string): void {
    this.#change({ op: 'delete', queue, ids: [...this.get(queue).messages.keys()] });
  }

  counts(queue: string): { readonly visible: number; readonly inFlight: number; readonly delayed: number } {
    const nowMs = this.now();
    const counts = { visible: 0, inFlight: 0, delayed: 0 };
    for (const message of this.#retained(queue)) {
      if (message.visibleMs <= nowMs) counts.visible += 1;
      else if (message.receiveCount > 0) counts.inFlight += 1;
      else counts.delayed += 1;
    }
    return counts;
  }

  /** All bodies, oldest first, without receiving them. */
  peek(queue: string): readonly string[] {
    return Array.from(this.#retained(queue), (message) => message.body);
  }

  /** The messages of a queue, without those that were kept for as long as it keeps any. */
  #retained(queue: string): Iterable<Message> {
    const { messages } = this.get(queue);
    const oldestMs = this.now() - this.#number(queue, 'MessageRetentionPeriod') * 1_000;
    for (const message of messages.values()) {
      if (message.sentMs > oldestMs) break;
      // Not logged: a replay finds the same by itself.
      messages.delete(message.id);
    }
    return messages.values();
  }

  #number(queue: string, name: NumericAttribute): number {
    return Number(this.get(queue).attributes[name]);
  }

  #change(change: Change): void {
    this.#log.append(change);
    this.#apply(change);
    this.#changeCount += 1;
    if (this.#changeCount < compactAfterChanges) return;
    let messageCount = 0;
    for (const queue of this.#queues.values()) messageCount += queue.messages.size;
    if (this.#changeCount > 2 * messageCount) this.#compact();
  }

  #apply(change: Change): void {
    const queue = this.#queues.get(change.queue);
    switch (change.op) {
      case 'create':
        this.#queues.set(change.queue, {
          name: change.queue,
          createdMs: change.atMs,
          modifiedMs: change.atMs,
          attributes: change.attributes,
          messages: new Map(),
        });
        return;
      case 'attributes':
        if (queue === undefined) return;
        queue.attributes = { ...queue.attributes, ...change.attributes };
        queue.modifiedMs = change.atMs;
        return;
      case 'put':
        // A message that is there keeps its place, which is by age.
        for (const message of change.messages) queue?.messages.set(message.id, message);
        return;
      case 'delete':
        for (const id of change.ids) queue?.messages.delete(id);
        return;
      case 'drop':
        this.#queues.delete(change.queue);
        return;
    }
  }

  #compact(): void {
    this.#log.replace(this.#changes());
    this.#changeCount = 0;
  }

  *#changes(): Iterable<Change> {
    for (const { name: queue, attributes, createdMs, modifiedMs, messages } of this.#queues.values()) {
      yield { op: 'create', queue, attributes, atMs: createdMs };
      if (modifiedMs !== createdMs) yield { op: 'attributes', queue, attributes, atMs: modifiedMs };
      for (const message of messages.values()) yield { op: 'put', queue, messages: [message] };
    }
  }
}

const initialAttributes = Object.fromEntries(
  Object.entries(attributeRanges).map(([name, { initial }]) => [name, String(initial)]),
);

/** Kept and given back; they change nothing on a laptop. */
const inertAttributes = [
  'Policy',
  'KmsMasterKeyId',
  'KmsDataKeyReusePeriodSeconds',
  'SqsManagedSseEnabled',
  'RedriveAllowPolicy',
];

function checkAttributes(attributes: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(attributes)) {
    const range = (attributeRanges as Readonly<Record<string, { min: number; max: number } | undefined>>)[name];
    if (range === undefined) {
      // Taking a redrive policy or a FIFO queue without acting on it would hide that it does nothing.
      if (!inertAttributes.includes(name))
        throw new Fault('InvalidAttributeName', `Local SQS does not know the attribute ${name}.`);
    } else if (!/^\d+$/.test(value) || Number(value) < range.min || Number(value) > range.max) {
      throw new Fault('InvalidAttributeValue', `${name} must be from ${range.min} to ${range.max}, not ${value}.`);
    }
  }
}

function checkRange(name: string, value: number, range: { readonly min: number; readonly max: number }): void {
  if (Number.isInteger(value) && value >= range.min && value <= range.max) return;
  throw new Fault(
    'InvalidParameterValue',
    `Value ${value} for parameter ${name} is invalid. Reason: Must be from ${range.min} to ${range.max}.`,
  );
}

function checkName(queue: string): void {
  if (queue.length <= queueNameCharactersMax && /^[A-Za-z0-9_-]+$/.test(queue)) return;
  throw new Fault(
    'InvalidParameterValue',
    `Can only include alphanumeric characters, hyphens, or underscores. 1 to ${queueNameCharactersMax} in length. FIFO queues are not known to local SQS. Not so: ${queue}.`,
  );
}

function encodeReceipt(id: string): string {
  return Buffer.from(`${id} ${randomUUID()}`).toString('base64url');
}

/** The message's id. */
function decodeReceipt(receipt: string): string {
  const [id, nonce] = Buffer.from(receipt, 'base64url').toString().split(' ');
  if (id === undefined || nonce === undefined) {
    throw new Fault('ReceiptHandleIsInvalid', 'The input receipt handle is invalid.');
  }
  return id;
}
