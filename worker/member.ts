import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { pipelines } from '#pipelines/index.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createDiskRunStore } from '#shared/adapters/disk/run-store.ts';
import { createDynamoDbLeaseStore } from '#shared/adapters/dynamodb/lease-store.ts';
import { createDynamoDbResultStore } from '#shared/adapters/dynamodb/result-store.ts';
import { createDynamoDbStateStore } from '#shared/adapters/dynamodb/state-store.ts';
import { createKinesisExchange } from '#shared/adapters/kinesis/exchange.ts';
import { createKinesisExchangeReader } from '#shared/adapters/kinesis/exchange-reader.ts';
import { createRequestHandler, createStreamingRequestHandler } from '#shared/adapters/request-handler.ts';
import { createS3BlobStore } from '#shared/adapters/s3/blob-store.ts';
import { createSqsDeadLetters } from '#shared/adapters/sqs/dead-letters.ts';
import { createForwardingTelemetry } from '#shared/adapters/telemetry/forward.ts';
import { readCount, readSettings, readSinks, selectPipeline } from '#shared/runtime/settings.ts';
import { createWorker } from '#shared/runtime/worker.ts';
import type { Report, Start } from './messages.ts';

/**
 * One thread of the worker: a member of the fleet like any other, with a name and leases of its own, so that it matters to nobody in
 * which process it runs. Ends when it was asked to stop and has handed over; rejects when it cannot go on.
 */
export async function runMember({ thread, stateMb }: Start): Promise<void> {
  const settings = readSettings('worker', process.env);
  const pipeline = selectPipeline(pipelines, settings);
  const clock = wallClock;
  const telemetry = createForwardingTelemetry({ thread: String(thread) }, tell);
  const requestHandler = createRequestHandler();
  const kinesis = new KinesisClient({
    requestHandler: settings.EXCHANGE_READING === 'fan-out' ? createStreamingRequestHandler() : requestHandler,
  });
  const dynamodb = new DynamoDBClient({ requestHandler, maxAttempts: 10 });
  const sqs = new SQSClient({ requestHandler });
  const s3 = new S3Client({ requestHandler, forcePathStyle: process.env['AWS_ENDPOINT_URL_S3'] !== undefined });
  const sinks = readSinks('SINKS', settings.SINKS);
  const worker = createWorker({
    pipeline,
    reader: createKinesisExchangeReader({
      reading: settings.EXCHANGE_READING,
      client: kinesis,
      streamName: settings.EXCHANGE_STREAM,
      clock,
      telemetry,
    }),
    exchange: createKinesisExchange({ client: kinesis, streamName: settings.EXCHANGE_STREAM, telemetry }),
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
    overflow: {
      store: createDiskRunStore(join(tmpdir(), 'millrace-state')),
      bytesMax: stateMb * 1e6,
    },
    leasePeriodMs: readCount('LEASE_SECONDS', settings.LEASE_SECONDS) * 1_000,
    onAlive: () => tell({ kind: 'alive', isReady: worker.isReady(), isMoving: worker.isMoving() }),
  });
  parentPort?.on('message', () => {
    worker.stop().catch(() => {});
  });
  await worker.run();
  tell({ kind: 'stopped' });
  // What was given up may still wait for an answer. Ends this thread only.
  process.exit(0);
}

function tell(report: Report): void {
  parentPort?.postMessage(report);
}
