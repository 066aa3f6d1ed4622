import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, expect, test } from 'vitest';
import { Queues } from '#local/sqs/queues.ts';
import { startSqs } from '#local/sqs/wire.ts';
import { backoffMsMax, backoffMsMin, createSqsDeadLetters, sendTriesMax } from '#shared/adapters/sqs/dead-letters.ts';
import type { Clock } from '#shared/ports/clock.ts';
import { type DeadLetter, deadLetterBytesMax } from '#shared/schemas/dead-letter.ts';
import { deadLettersContract, letterOf } from '#test/contracts/dead-letters.ts';
import { fault, scriptRequests } from '../scripted-requests.ts';

const opened: { close: () => Promise<void> }[] = [];

afterEach(async () => {
  for (const it of opened.splice(0).reverse()) await it.close();
});

/** A clock on which every wait is over at once. */
function swiftClock(): Clock & { readonly waitsMs: number[] } {
  const waitsMs: number[] = [];
  return {
    waitsMs,
    now: () => 0,
    sleep: async (ms) => {
      waitsMs.push(ms);
    },
  };
}

async function open() {
  const queues = new Queues({ folder: mkdtempSync(join(tmpdir(), 'millrace-dead-')), now: () => 0 });
  queues.create('dead');
  const local = await startSqs({ queues });
  const client = new SQSClient({
    endpoint: local.endpoint,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
  });
  opened.push(local, { close: async () => client.destroy() });
  const queueUrl = `${local.endpoint}/000000000000/dead`;
  const deadLetters = createSqsDeadLetters({ client, queueUrl, clock: swiftClock() });
  return { deadLetters, stored: async () => queues.peek('dead').map((body) => JSON.parse(body) as DeadLetter) };
}

deadLettersContract('dead letters in SQS:', open);

interface Entry {
  readonly Id: string;
  readonly MessageBody: string;
}

/** Answers batch by batch; `refuse` tells by the letter's number and the number of the request. */
function script(refuse: (index: number, request: number) => boolean | 'unknown' | 'offline') {
  const stored: number[] = [];
  const { settings, requests } = scriptRequests(({ fields }, request) => {
    const entries = fields['Entries'] as readonly Entry[];
    const numbers = entries.map((entry) => (JSON.parse(entry.MessageBody) as DeadLetter).sub);
    if (numbers.some((index) => refuse(index, request) === 'offline')) throw fault('RequestThrottled');
    const isStored = (_: Entry, at: number): boolean => refuse(numbers[at] ?? 0, request) === false;
    const isRefused = (_: Entry, at: number): boolean => refuse(numbers[at] ?? 0, request) === true;
    stored.push(...numbers.filter((_, at) => refuse(numbers[at] ?? 0, request) === false));
    return {
      Successful: entries.filter(isStored).map(({ Id }) => ({ Id, MessageId: Id, MD5OfMessageBody: 'x' })),
      Failed: entries.filter(isRefused).map(({ Id }) => ({ Id, Code: 'InternalError', SenderFault: false })),
    };
  });
  const clock = swiftClock();
  const client = new SQSClient({ ...settings, md5: false, endpoint: 'http://127.0.0.1' });
  return {
    deadLetters: createSqsDeadLetters({ client, queueUrl: 'http://127.0.0.1/0/dead', clock }),
    clock,
    stored,
    batches: () => requests.map(({ fields }) => (fields['Entries'] as readonly Entry[]).map((it) => it.MessageBody)),
  };
}

const letters = (count: number): DeadLetter[] => Array.from({ length: count }, (_, index) => letterOf(index));

test('a batch has at most 10 letters', async () => {
  const { deadLetters, batches } = script(() => false);
  await deadLetters.send(letters(23));
  expect(batches().map((batch) => batch.length)).toEqual([10, 10, 3]);
});

test('a batch has at most 1 MiB, to the byte', async () => {
  const { deadLetters, batches } = script(() => false);
  const room = deadLetterBytesMax / 2 - JSON.stringify({ ...letterOf(0), payload: '' }).length;
  const sized = (index: number, extra: number) => ({ ...letterOf(index), payload: 'A'.repeat(room + extra) });
  await deadLetters.send([sized(0, 0), sized(1, 0), sized(2, 0), sized(3, 1)]);
  expect(batches().map((batch) => batch.length)).toEqual([2, 1, 1]);
});

test('what is refused is sent again, and nothing else', async () => {
  const { deadLetters, stored, batches } = script((index, request) => index % 3 === 0 && request < 2);
  await deadLetters.send(letters(12));
  expect(stored.toSorted((a, b) => a - b)).toEqual(letters(12).map((_, index) => index));
  expect(batches().map((batch) => batch.length)).toEqual([10, 2, 4]);
});

test('a letter that the answer does not tell of is sent again', async () => {
  const { deadLetters, stored } = script((index, request) => (index === 1 && request === 0 ? 'unknown' : false));
  await deadLetters.send(letters(2));
  expect(stored).toEqual([0, 1]);
});

test('a batch that failed whole is sent again', async () => {
  const { deadLetters, stored } = script((_, request) => (request === 0 ? 'offline' : false));
  await deadLetters.send(letters(2));
  expect(stored).toEqual([0, 1]);
});

test('each wait is twice the one before, up to a limit', async () => {
  const { deadLetters, clock } = script((_, request) => request < sendTriesMax - 1);
  await deadLetters.send(letters(1));
  expect(clock.waitsMs).toEqual(
    Array.from({ length: sendTriesMax - 1 }, (_, index) => Math.min(backoffMsMax, backoffMsMin * 2 ** index)),
  );
});

test('after the last try nothing waits, and what is left is told', async () => {
  const { deadLetters, clock, batches } = script((index) => index === 3);
  await expect(deadLetters.send(letters(5))).rejects.toMatchObject({
    code: 'DEAD_LETTERS_UNAVAILABLE',
    retry: true,
    message: expect.stringMatching(/1 of 5 .*127\.0\.0\.1.*InternalError/),
    cause: expect.any(Error),
  });
  expect(batches()).toHaveLength(sendTriesMax);
  expect(clock.waitsMs).toHaveLength(sendTriesMax - 1);
});
