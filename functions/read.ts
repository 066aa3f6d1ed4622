import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { handle } from 'hono/aws-lambda';
import { pipelines } from '#pipelines/index.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createDynamoDbResultStore } from '#shared/adapters/dynamodb/result-store.ts';
import { createDynamoDbStateStore } from '#shared/adapters/dynamodb/state-store.ts';
import { createRequestHandler } from '#shared/adapters/request-handler.ts';
import { createReader } from '#shared/runtime/read.ts';
import { readSettings, selectPipeline } from '#shared/runtime/settings.ts';
import { createReadApi } from './read-api.ts';

const settings = readSettings('read', process.env);
const pipeline = selectPipeline(pipelines, settings);
const client = new DynamoDBClient({ requestHandler: createRequestHandler(), maxAttempts: 10 });
const reader = createReader({
  pipeline,
  state: createDynamoDbStateStore({ client, table: settings.STATE_TABLE, pipeline: pipeline.id, clock: wallClock }),
  results: createDynamoDbResultStore({ client, table: settings.RESULTS_TABLE }),
});

/** The read API behind a function URL. */
export const handler = handle(createReadApi(pipeline, reader));
