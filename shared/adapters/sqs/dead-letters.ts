import { Buffer } from 'node:buffer';
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { Clock } from '#shared/ports/clock.ts';
import type { DeadLetters } from '#shared/ports/dead-letters.ts';
import { deadLetterBytesMax } from '#shared/schemas/dead-letter.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { encodeLetter } from './letter-body.ts';

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html */
export const batchEntriesMax = 10;

/** A storm of bad data should not wait for one batch after the other. */
const batchesInFlightMax = 8;

export const sendTriesMax = 8;
export const backoffMsMin = 50;
export const backoffMsMax = 2_000;

/** Dead letters in an SQS queue, one message a letter, as JSON. */
export function createSqsDeadLetters(options: {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly clock: Clock;
}): DeadLetters {
  const { client, queueUrl, clock } = options;
  return {
    send: async (letters) => {
      let bodies: readonly string[] = letters.map((letter) => encodeLetter(letter, deadLetterBytesMax));
      for (let tries = 1; bodies.length > 0; tries += 1) {
        const refused = await sendOnce(client, queueUrl, bodies);
        if (refused.length === 0) return;
        bodies = refused.flatMap((it) => it.bodies);
        if (tries === sendTriesMax) {
          const { cause } = refused[0] ?? {};
          throw new MillraceError(
            'DEAD_LETTERS_UNAVAILABLE',
            `${bodies.length} of ${letters.length} dead letters were not taken by ${queueUrl} in ${sendTriesMax} tries: ${messageOf(cause)}. If the queue exists and the role may send to it, try again.`,
            { cause },
          );
        }
        await clock.sleep(Math.min(backoffMsMax, backoffMsMin * 2 ** (tries - 1)));
      }
    },
  };
}

/** Bodies that were not taken, or of which that is not known, and why. */
interface Refusal {
  readonly bodies: readonly string[];
  readonly cause: unknown;
}

async function sendOnce(client: SQSClient, queueUrl: string, bodies: readonly string[]): Promise<readonly Refusal[]> {
  const batches = cutBatches(bodies).values();
  const refused: Refusal[] = [];
  const lane = async (): Promise<void> => {
    for (const batch of batches) {
      const refusal = await sendBatch(client, queueUrl, batch);
      if (refusal !== undefined) refused.push(refusal);
    }
  };
  await Promise.all(Array.from({ length: batchesInFlightMax }, lane));
  return refused;
}

/** Batches that keep the limits of count and bytes. */
function cutBatches(bodies: readonly string[]): readonly (readonly string[])[] {
  const batches: string[][] = [];
  let bytes = 0;
  for (const body of bodies) {
    const size = Buffer.byteLength(body);
    const last = batches.at(-1);
    if (last === undefined || last.length === batchEntriesMax || bytes + size > deadLetterBytesMax) {
      batches.push([body]);
      bytes = size;
    } else {
      last.push(body);
      bytes += size;
    }
  }
  return batches;
}

async function sendBatch(client: SQSClient, queueUrl: string, bodies: readonly string[]): Promise<Refusal | undefined> {
  const Entries = bodies.map((body, index) => ({ Id: String(index), MessageBody: body }));
  try {
    const { Successful = [], Failed = [] } = await client.send(
      new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }),
    );
    // What is not told to be stored is not.
    const stored = new Set(Successful.map((it) => it.Id));
    const refused = bodies.filter((_, index) => !stored.has(String(index)));
    if (refused.length === 0) return undefined;
    return { bodies: refused, cause: new Error(Failed.map((it) => `${it.Code}: ${it.Message}`).join('; ')) };
  } catch (cause) {
    return { bodies, cause };
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
}
