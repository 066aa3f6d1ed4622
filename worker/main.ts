import { randomUUID } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { serve } from '@hono/node-server';
import { pipelines } from '#pipelines/index.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createDynamoDbLeaseStore } from '#shared/adapters/dynamodb/lease-store.ts';
import { createDynamoDbResultStore } from '#shared/adapters/dynamodb/result-store.ts';
import { createDynamoDbStateStore } from '#shared/adapters/dynamodb/state-store.ts';
import { createKinesisExchange } from '#shared/adapters/kinesis/exchange.ts';
import { createKinesisExchangeReader } from '#shared/adapters/kinesis/exchange-reader.ts';
import { createRequestHandler, createStreamingRequestHandler } from '#shared/adapters/request-handler.ts';
import { createS3BlobStore } from '#shared/adapters/s3/blob-store.ts';
import { createSqsDeadLetters } from '#shared/adapters/sqs/dead-letters.ts';
import { createConsoleTelemetry } from '#shared/adapters/telemetry/console.ts';
import { createPrometheusTelemetry } from '#shared/adapters/telemetry/prometheus.ts';
import { readAddress, readCount, readSettings, readSinks, selectPipeline } from '#shared/runtime/settings.ts';
import { createWorker } from '#shared/runtime/worker.ts';
import { createStatus } from './status.ts';

const settings = readSettings('worker', process.env);
const pipeline = selectPipeline(pipelines, settings);
const clock = wallClock;
const labels = { pipeline: pipeline.id, stage: 'window', placement: 'fargate' };
const telemetry = createPrometheusTelemetry(labels, createConsoleTelemetry(labels));
const requestHandler = createRequestHandler();
const kinesis = new KinesisClient({
  requestHandler: settings.EXCHANGE_READING === 'fan-out' ? createStreamingRequestHandler() : requestHandler,
});
const dynamodb = new DynamoDBClient({ requestHandler, maxAttempts: 10 });
const sqs = new SQSClient({ requestHandler });
const s3 = new S3Client({ requestHandler, forcePathStyle: process.env['AWS_ENDPOINT_URL_S3'] !== undefined });
const sinks = readSinks('SINKS', settings.SINKS);
/** A worker that is alive shows it several times a lease period, which is at most this long. */
const silenceMsMax = 60_000;
let aliveMs = clock.now();
const worker = createWorker({
  pipeline,
  reader: createKinesisExchangeReader({
    reading: settings.EXCHANGE_READING,
    client: kinesis,
    streamName: settings.EXCHANGE_STREAM,
    clock,
    telemetry,
  }),
  worker: randomUUID(),
  leases: createDynamoDbLeaseStore({ client: dynamodb, table: settings.STATE_TABLE, pipeline: pipeline.id, clock }),
  state: createDynamoDbStateStore({ client: dynamodb, table: settings.STATE_TABLE, pipeline: pipeline.id, clock }),
  results: createDynamoDbResultStore({ client: dynamodb, table: settings.RESULTS_TABLE }),
  blobs: createS3BlobStore({ client: s3, bucket: settings.SNAPSHOT_BUCKET }),
  ...(sinks.archiveBucket === undefined
    ? {}
    : { archive: createS3BlobStore({ client: s3, bucket: sinks.archiveBucket }) }),
  rowStreams: new Map(
    Object.entries(sinks.streams).map(([view, streamName]) => [
      view,
      createKinesisExchange({ client: kinesis, streamName, telemetry }),
    ]),
  ),
  deadLetters: createSqsDeadLetters({ client: sqs, queueUrl: settings.DEAD_LETTER_QUEUE_URL, clock }),
  clock,
  telemetry,
  leasePeriodMs: readCount('LEASE_SECONDS', settings.LEASE_SECONDS) * 1_000,
  onAlive: () => {
    aliveMs = clock.now();
  },
});

const status = createStatus({
  isAlive: () => clock.now() - aliveMs < silenceMsMax,
  isReady: worker.isReady,
  metrics: telemetry.scrape,
});
serve({ fetch: status.fetch, ...readAddress('HTTP_ADDRESS', settings.HTTP_ADDRESS) }, ({ address, port }) =>
  telemetry.log('info', 'Health and metrics are served.', { url: `http://${address}:${port}` }),
);

// ECS and the embedded AWS ask with SIGTERM and kill after stopTimeout: the batch at hand is finished and everything is snapshot.
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    telemetry.log('info', 'The worker was asked to stop; it snapshots its state.', { signal });
    worker.stop().catch(() => {});
  });
}

try {
  telemetry.log('info', 'The worker starts.', { planHash: pipeline.planHash });
  await worker.run();
  telemetry.log('info', 'The worker has stopped; its state is snapshot.');
  telemetry.flush();
  process.exit(0);
} catch (error) {
  telemetry.log('error', 'The worker stops; its successor goes on from the snapshots.', {
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  telemetry.flush();
  process.exit(1);
}
