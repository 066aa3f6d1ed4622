import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { KinesisStreamBatchResponse, KinesisStreamEvent } from 'aws-lambda';
import { pipelines } from '#pipelines/index.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createDynamoDbResultStore } from '#shared/adapters/dynamodb/result-store.ts';
import { createDynamoDbStateStore } from '#shared/adapters/dynamodb/state-store.ts';
import { createKinesisShardDirectory } from '#shared/adapters/kinesis/shard-directory.ts';
import { createRequestHandler } from '#shared/adapters/request-handler.ts';
import { createSqsDeadLetters } from '#shared/adapters/sqs/dead-letters.ts';
import { createPowertoolsTelemetry } from '#shared/adapters/telemetry/powertools.ts';
import { createAggregate } from '#shared/runtime/aggregate.ts';
import { readSettings, selectPipeline } from '#shared/runtime/settings.ts';
import { batchOf } from './event.ts';

const settings = readSettings('aggregate', process.env);
const pipeline = selectPipeline(pipelines, settings);
const clock = wallClock;
const telemetry = createPowertoolsTelemetry({ pipeline: pipeline.id, stage: 'aggregate', placement: 'lambda' });
const requestHandler = createRequestHandler();
const kinesis = new KinesisClient({ requestHandler });
const dynamodb = new DynamoDBClient({ requestHandler, maxAttempts: 10 });
const sqs = new SQSClient({ requestHandler });
const aggregate = createAggregate({
  pipeline,
  state: createDynamoDbStateStore({ client: dynamodb, table: settings.STATE_TABLE, pipeline: pipeline.id, clock }),
  results: createDynamoDbResultStore({ client: dynamodb, table: settings.RESULTS_TABLE }),
  deadLetters: createSqsDeadLetters({ client: sqs, queueUrl: settings.DEAD_LETTER_QUEUE_URL, clock }),
  directory: createKinesisShardDirectory({ client: kinesis, streamName: settings.EXCHANGE_STREAM }),
  clock,
  telemetry,
});

/** The aggregate stage: one batch of one exchange shard into state and rows. An error sends the whole batch again (rule 11). */
export async function handler(event: KinesisStreamEvent): Promise<KinesisStreamBatchResponse> {
  try {
    await aggregate.process(batchOf(event));
    return { batchItemFailures: [] };
  } finally {
    telemetry.flush();
  }
}
