import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { S3Client } from '@aws-sdk/client-s3';
import { localClient } from '#local/client.ts';
import { failuresFileIn } from '#local/failures.ts';
import { startStack } from '#local/stack.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createDynamoDbResultStore } from '#shared/adapters/dynamodb/result-store.ts';
import { createDynamoDbStateStore } from '#shared/adapters/dynamodb/state-store.ts';
import { createKinesisRawStreams } from '#shared/adapters/kinesis/raw-streams.ts';
import { createS3BlobStore } from '#shared/adapters/s3/blob-store.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { stepsOf } from '#shared/pipeline/plan.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import type { SavepointSource } from '#shared/runtime/savepoint-create.ts';
import type { SavepointTarget } from '#shared/runtime/savepoint-restore.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { inRegion } from './region.ts';
import { findStackFile, type StackFile } from './stack-file.ts';

/** What keeps the state of a pipeline, wherever it runs. */
export type Deployment = SavepointSource & SavepointTarget & { readonly isStopped?: boolean };

/** Names of what keeps the state on AWS, or wherever the SDK's own settings lead. */
interface Names {
  readonly stateTable: string | undefined;
  readonly resultsTable: string | undefined;
  readonly snapshotBucket: string | undefined;
  /** `source=stream`. */
  readonly rawStreams: readonly string[];
}

/** Undefined when nothing is named: then it is the one on this machine. */
export async function deploymentOnAws(pipeline: Pipeline, names: Names): Promise<Deployment | undefined> {
  const { stateTable, resultsTable, snapshotBucket, rawStreams } = names;
  if (stateTable === undefined) {
    if (resultsTable === undefined && snapshotBucket === undefined && rawStreams.length === 0) return undefined;
    throw new MillraceError(
      'INPUT_INVALID',
      'a deployment that is not on this machine is named by --state-table and the rest.',
    );
  }
  if (resultsTable === undefined) throw new MillraceError('INPUT_INVALID', '--state-table needs --results-table.');
  if (snapshotBucket === undefined && stepsOf(pipeline.plan, 'fargate').length > 0)
    throw new MillraceError(
      'INPUT_INVALID',
      `pipeline ${pipeline.id} has a worker, so --state-table needs --snapshot-bucket.`,
    );
  const forcePathStyle = process.env['AWS_ENDPOINT_URL_S3'] !== undefined;
  const clients = {
    dynamodb: await inRegion('--state-table', new DynamoDBClient({})),
    kinesis: new KinesisClient({}),
    s3: new S3Client({ forcePathStyle }),
  };
  const streams = Object.fromEntries(
    rawStreams.map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]),
  );
  return connect(pipeline, clients, { stateTable, resultsTable, snapshotBucket, rawStreams: streams });
}

/** Works on the stack of this folder: on the one that runs, or else on what it has kept. */
export async function withDeployment<T>(pipeline: Pipeline, work: (deployment: Deployment) => Promise<T>): Promise<T> {
  const stack = findStackFile(pipeline.id);
  if (stack === undefined) return stoppedDeployment(pipeline, work);
  const failures = failuresFileIn(stack.folder);
  return work({ ...connectLocally(pipeline, stack), troubles: () => failures.read() ?? [] });
}

/** Works on the stores of a stack of which nothing else runs. Rejects with `OUTPUT_UNWRITABLE` while it does. */
export async function stoppedDeployment<T>(
  pipeline: Pipeline,
  work: (deployment: Deployment) => Promise<T>,
): Promise<T> {
  const stack = await startStack({
    pipeline,
    folder: join('.millrace', pipeline.id),
    ports: { read: 0, kinesis: 0, dynamodb: 0, sqs: 0, s3: 0 },
    isIdle: true,
    onLine: () => undefined,
  });
  try {
    const names = { ...stack, rawStreams: Object.fromEntries(stack.rawStreams) };
    const troubles = () => [`no stack runs that would. Start one with "npm start ${pipeline.id}".`];
    return await work({ ...connectLocally(pipeline, names), isStopped: true, troubles });
  } finally {
    await stack.stop();
  }
}

type LocalNames = Pick<StackFile, 'endpoints' | 'stateTable' | 'resultsTable' | 'snapshotBucket' | 'rawStreams'>;

function connectLocally(pipeline: Pipeline, { endpoints, ...names }: LocalNames): Deployment {
  const clients = {
    dynamodb: new DynamoDBClient(localClient(endpoints.dynamodb)),
    kinesis: new KinesisClient(localClient(endpoints.kinesis)),
    s3: new S3Client({ ...localClient(endpoints.s3), forcePathStyle: true }),
  };
  return connect(pipeline, clients, names);
}

function connect(
  pipeline: Pipeline,
  {
    dynamodb,
    kinesis,
    s3,
  }: { readonly dynamodb: DynamoDBClient; readonly kinesis: KinesisClient; readonly s3: S3Client },
  names: Omit<LocalNames, 'endpoints'>,
): Deployment {
  const { stateTable, resultsTable, snapshotBucket, rawStreams } = names;
  return {
    pipeline,
    state: createDynamoDbStateStore({ client: dynamodb, table: stateTable, pipeline: pipeline.id, clock: wallClock }),
    results: createDynamoDbResultStore({ client: dynamodb, table: resultsTable }),
    blobs: snapshotBucket === undefined ? undefined : createS3BlobStore({ client: s3, bucket: snapshotBucket }),
    rawStreams: createKinesisRawStreams(kinesis, rawStreams),
    clock: wallClock,
    telemetry: toStandardError,
  };
}

/** What could not be read of a snapshot, for who copies it. */
const toStandardError: Telemetry = {
  metric: () => undefined,
  log: (_, message, fields) => void process.stderr.write(`millrace: ${message} ${JSON.stringify(fields ?? {})}\n`),
  flush: () => undefined,
};
