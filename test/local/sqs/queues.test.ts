import { appendFileSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Queues } from '#local/sqs/queues.ts';

interface World {
  nowMs: number;
  readonly folder: string;
  readonly open: () => Queues;
}

function newWorld(): World {
  const world = {
    nowMs: 1_000_000,
    folder: mkdtempSync(join(tmpdir(), 'millrace-sqs-')),
    open: () => new Queues({ folder: world.folder, now: () => world.nowMs }),
  };
  return world;
}

const bodies = (messages: readonly { readonly body: string }[]): string[] => messages.map((message) => message.body);

function receiptOf(messages: readonly { readonly receipt?: string | undefined }[]): string {
  return messages[0]?.receipt ?? 'none';
}

test('messages are received oldest first', () => {
  const queues = newWorld().open();
  queues.create('q');
  for (const body of ['a', 'b', 'c']) queues.send('q', body);
  expect(bodies(queues.receive('q', 2))).toEqual(['a', 'b']);
});

//  t: 0 received        30 s visible again
//     [--- invisible ---)
test('a received message is invisible until its visibility timeout has passed', () => {
  const world = newWorld();
  const queues = world.open();
  queues.create('q');
  queues.send('q', 'a');
  queues.receive('q', 10);
  world.nowMs += 29_999;
  expect(queues.receive('q', 10)).toEqual([]);
  world.nowMs += 1;
  expect(queues.receive('q', 10)).toMatchObject([{ body: 'a', receiveCount: 2, firstReceivedMs: 1_000_000 }]);
});

test('the visibility timeout of the queue holds when a receive gives none', () => {
  const world = newWorld();
  const queues = world.open();
  queues.create('q', { VisibilityTimeout: '5' });
  queues.send('q', 'a');
  queues.receive('q', 10);
  world.nowMs += 5_000;
  expect(bodies(queues.receive('q', 10))).toEqual(['a']);
});

test('a deleted message is never received again', () => {
  const world = newWorld();
  const queues = world.open();
  queues.create('q');
  queues.send('q', 'a');
  queues.delete('q', receiptOf(queues.receive('q', 1)));
  world.nowMs += 60_000;
  expect(queues.receive('q', 1)).toEqual([]);
});

test('deleting with the receipt of an earlier receive succeeds and keeps the message', () => {
  const world = newWorld();
  const queues = world.open();
  queues.create('q');
  queues.send('q', 'a');
  const first = receiptOf(queues.receive('q', 1));
  world.nowMs += 30_000;
  queues.receive('q', 1);
  queues.delete('q', first);
  expect(queues.peek('q')).toEqual(['a']);
});

test('a delayed message is received once its delay has passed', () => {
  const world = newWorld();
  const queues = world.open();
  queues.create('q');
  queues.send('q', 'a', { delaySeconds: 10 });
  expect(queues.receive('q', 1)).toEqual([]);
  world.nowMs += 10_000;
  expect(bodies(queues.receive('q', 1))).toEqual(['a']);
});

test('changing the visibility to 0 gives the message back at once', () => {
  const queues = newWorld().open();
  queues.create('q');
  queues.send('q', 'a');
  queues.changeVisibility('q', receiptOf(queues.receive('q', 1)), 0);
  expect(bodies(queues.receive('q', 1))).toEqual(['a']);
});

test('the visibility of a message that is not in flight cannot be changed', () => {
  const world = newWorld();
  const queues = world.open();
  queues.create('q');
  queues.send('q', 'a');
  const receipt = receiptOf(queues.receive('q', 1));
  world.nowMs += 30_000;
  expect(() => queues.changeVisibility('q', receipt, 10)).toThrow(
    expect.objectContaining({ code: 'MessageNotInflight' }),
  );
});

test('a message is gone after the retention period', () => {
  const world = newWorld();
  const queues = world.open();
  queues.create('q', { MessageRetentionPeriod: '60' });
  queues.send('q', 'a');
  world.nowMs += 59_999;
  expect(queues.peek('q')).toEqual(['a']);
  world.nowMs += 1;
  expect(queues.peek('q')).toEqual([]);
});

test('messages are counted as visible, in flight or delayed', () => {
  const queues = newWorld().open();
  queues.create('q');
  for (const body of ['a', 'b', 'c']) queues.send('q', body);
  queues.send('q', 'd', { delaySeconds: 1 });
  queues.receive('q', 1);
  expect(queues.counts('q')).toEqual({ visible: 2, inFlight: 1, delayed: 1 });
});

test('queues, messages, receipts and what is in flight outlive a restart', () => {
  const world = newWorld();
  const first = world.open();
  first.create('q', { VisibilityTimeout: '7' });
  for (const body of ['a', 'b', 'c'])
    first.send('q', body, { attributes: { n: { DataType: 'Number', StringValue: '1' } } });
  const receipt = receiptOf(first.receive('q', 1));
  first.delete('q', receiptOf(first.receive('q', 1)));
  first.close();

  const second = world.open();
  expect(second.get('q').attributes['VisibilityTimeout']).toBe('7');
  expect(second.counts('q')).toEqual({ visible: 1, inFlight: 1, delayed: 0 });
  expect(second.receive('q', 10)).toMatchObject([{ body: 'c', attributes: { n: { StringValue: '1' } } }]);
  second.delete('q', receipt);
  expect(second.peek('q')).toEqual(['c']);
});

test('a purged queue and a dropped one stay so after a restart', () => {
  const world = newWorld();
  const first = world.open();
  first.create('purged');
  first.create('dropped');
  first.send('purged', 'a');
  first.purge('purged');
  first.drop('dropped');
  first.close();
  const second = world.open();
  expect(second.names()).toEqual(['purged']);
  expect(second.peek('purged')).toEqual([]);
});

test('a send that a kill tore is not there after the restart, and all before it is', () => {
  const world = newWorld();
  const first = world.open();
  first.create('q');
  first.send('q', 'a');
  first.close();
  appendFileSync(join(world.folder, 'queues.log'), '0badc0de {"op":"put","queue":"q","mess');
  const second = world.open();
  expect(second.peek('q')).toEqual(['a']);
});

test('the log does not grow with messages that come and go', () => {
  const world = newWorld();
  const queues = world.open();
  queues.create('q');
  for (let index = 0; index < 7_000; index += 1) {
    queues.send('q', 'a');
    queues.delete('q', receiptOf(queues.receive('q', 1)));
  }
  const lines = readFileSync(join(world.folder, 'queues.log'), 'utf8').split('\n').length;
  expect(lines).toBeLessThan(10_010);
});

test('a queue cannot be created again with another value of an attribute', () => {
  const queues = newWorld().open();
  queues.create('q', { VisibilityTimeout: '5' });
  queues.create('q');
  expect(() => queues.create('q', { VisibilityTimeout: '6' })).toThrow(
    expect.objectContaining({ code: 'QueueNameExists' }),
  );
});

test.each([
  ['RedrivePolicy', '{}', 'InvalidAttributeName'],
  ['FifoQueue', 'true', 'InvalidAttributeName'],
  ['VisibilityTimeout', '43201', 'InvalidAttributeValue'],
  ['VisibilityTimeout', 'soon', 'InvalidAttributeValue'],
])('a queue with %s=%s is refused as %s', (name, value, code) => {
  const queues = newWorld().open();
  expect(() => queues.create('q', { [name]: value })).toThrow(expect.objectContaining({ code }));
});

test.each(['', 'a.fifo', '../a', 'x'.repeat(81)])('a queue cannot be called %j', (name) => {
  const queues = newWorld().open();
  expect(() => queues.create(name)).toThrow(expect.objectContaining({ code: 'InvalidParameterValue' }));
});

test('a queue keeps messages as long as its template says, also one that was made without', () => {
  const world = newWorld();
  const queues = world.open();
  const dayMs = 86_400_000;
  queues.create('q');
  queues.send('q', 'a');
  for (let starts = 0; starts < 2; starts += 1)
    queues.declare('q', { MessageRetentionPeriod: 14 * 86_400, SqsManagedSseEnabled: true, Unknown: {} });
  queues.close();
  world.nowMs += 14 * dayMs - 1;
  expect(world.open().peek('q')).toEqual(['a']);
});
