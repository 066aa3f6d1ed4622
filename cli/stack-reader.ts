import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { localClient } from '#local/client.ts';
import type { LocalStack } from '#local/stack.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createDynamoDbResultStore } from '#shared/adapters/dynamodb/result-store.ts';
import { createDynamoDbStateStore } from '#shared/adapters/dynamodb/state-store.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { createReader, type Reader } from '#shared/runtime/read.ts';

/** Reads a local stack's tables directly: an HTTP answer of Lambda holds 6 MB, and a bounded run may have more rows. */
export function createStackReader(pipeline: Pipeline, stack: LocalStack): Reader {
  const client = new DynamoDBClient(localClient(stack.endpoints.dynamodb));
  return createReader({
    pipeline,
    state: createDynamoDbStateStore({ client, table: stack.stateTable, pipeline: pipeline.id, clock: wallClock }),
    results: createDynamoDbResultStore({ client, table: stack.resultsTable }),
  });
}
