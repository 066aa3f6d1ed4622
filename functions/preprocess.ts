import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { KinesisStreamBatchResponse, KinesisStreamEvent } from 'aws-lambda';
import { pipelines } from '#pipelines/index.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createDynamoDbLookupTables } from '#shared/adapters/dynamodb/lookup-tables.ts';
import { createDynamoDbStateStore } from '#shared/adapters/dynamodb/state-store.ts';
import { createKinesisExchange } from '#shared/adapters/kinesis/exchange.ts';
import { createKinesisShardDirectory } from '#shared/adapters/kinesis/shard-directory.ts';
import { createRequestHandler } from '#shared/adapters/request-handler.ts';
import { createSqsDeadLetters } from '#shared/adapters/sqs/dead-letters.ts';
import { createPowertoolsTelemetry } from '#shared/adapters/telemetry/powertools.ts';
import { createPreprocess } from '#shared/runtime/preprocess.ts';
import { readSettings, selectPipeline } from '#shared/runtime/settings.ts';
import { batchOf } from './event.ts';

const settings = readSettings('preprocess', process.env);
const pipeline = selectPipeline(pipelines, settings);
const clock = wallClock;
const telemetry = createPowertoolsTelemetry({ pipeline: pipeline.id, stage: 'preprocess', placement: 'lambda' });
const requestHandler = createRequestHandler();
const kinesis = new KinesisClient({ requestHandler });
const dynamodb = new DynamoDBClient({ requestHandler, maxAttempts: 10 });
const sqs = new SQSClient({ requestHandler });
const preprocess = createPreprocess({
  pipeline,
  source: settings.SOURCE,
  exchange: createKinesisExchange({ client: kinesis, streamName: settings.EXCHANGE_STREAM, telemetry }),
  directory: createKinesisShardDirectory({ client: kinesis, streamName: settings.RAW_STREAM }),
  state: createDynamoDbStateStore({ client: dynamodb, table: settings.STATE_TABLE, pipeline: pipeline.id, clock }),
  deadLetters: createSqsDeadLetters({ client: sqs, queueUrl: settings.DEAD_LETTER_QUEUE_URL, clock }),
  lookupTables: createDynamoDbLookupTables({ client: dynamodb, clock, random: Math.random }),
  clock,
  telemetry,
});

/** The preprocess stage: one batch of one raw shard into the exchange. */
export async function handler(event: KinesisStreamEvent): Promise<KinesisStreamBatchResponse> {
  try {
    const { failedFrom } = await preprocess.process(batchOf(event));
    return { batchItemFailures: failedFrom === undefined ? [] : [{ itemIdentifier: failedFrom }] };
  } finally {
    telemetry.flush();
  }
}
