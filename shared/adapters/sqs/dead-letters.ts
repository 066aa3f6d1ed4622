import { Buffer } from 'node:buffer';
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { Clock } from '#shared/ports/clock.ts';
import type { DeadLetters } from '#shared/ports/dead-letters.ts';
import type { DeadLetter } from '#shared/schemas/dead-letter.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html */
const entriesMax = 10;
const batchBytesMax = 256 * 1024;
const sendTriesMax = 8;
const backoffMsMin = 50;
const backoffMsMax = 2_000;

/** Dead letters in an SQS queue, one message a letter, as JSON. */
export function createSqsDeadLetters(options: {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly clock: Clock;
}): DeadLetters {
  return {
    send: async (letters) => {
      for (const batch of cutBatches(letters.map(toBody))) await sendBatch(options, batch);
    },
  };
}

async function sendBatch(
  { client, queueUrl, clock }: { readonly client: SQSClient; readonly queueUrl: string; readonly clock: Clock },
  bodies: readonly string[],
): Promise<void> {
  let entries = bodies.map((body, index) => ({ Id: String(index), MessageBody: body }));
  let cause: unknown;
  for (let tries = 1; tries <= sendTriesMax; tries += 1) {
    try {
      const { Failed = [] } = await client.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries }));
      if (Failed.length === 0) return;
      cause = new Error(Failed.map((failed) => `${failed.Code}: ${failed.Message}`).join('; '));
      entries = entries.filter((entry) => Failed.some((failed) => failed.Id === entry.Id));
    } catch (error) {
      cause = error;
    }
    await clock.sleep(Math.min(backoffMsMax, backoffMsMin * 2 ** (tries - 1)));
  }
  throw new MillraceError(
    'DEAD_LETTERS_UNAVAILABLE',
    `${entries.length} dead letters could not be sent to ${queueUrl} in ${sendTriesMax} tries; their batch will be sent again.`,
    { cause },
  );
}

function cutBatches(bodies: readonly string[]): readonly (readonly string[])[] {
  const batches: string[][] = [];
  let bytes = 0;
  for (const body of bodies) {
    const size = Buffer.byteLength(body);
    const last = batches.at(-1);
    if (last === undefined || last.length === entriesMax || bytes + size > batchBytesMax) {
      batches.push([body]);
      bytes = size;
    } else {
      last.push(body);
      bytes += size;
    }
  }
  return batches;
}

/** A letter whose other fields are too long loses its payload and says so: its position still leads to the record. */
function toBody(letter: DeadLetter): string {
  const body = JSON.stringify(letter);
  if (Buffer.byteLength(body) <= batchBytesMax) return body;
  const { payload: _, ...rest } = letter;
  return JSON.stringify({
    ...rest,
    message: `${letter.message.slice(0, messageCharactersMax)} (cut: the whole letter is larger than a message may be)`,
  });
}

const messageCharactersMax = 8_192;
