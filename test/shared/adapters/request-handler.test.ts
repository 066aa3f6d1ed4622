import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { KinesisClient, ListStreamsCommand } from '@aws-sdk/client-kinesis';
import { GetObjectCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, expect, test } from 'vitest';
import { createRequestHandler, createStreamingRequestHandler } from '#shared/adapters/request-handler.ts';

const closings: (() => void)[] = [];

afterEach(() => {
  for (const close of closings.splice(0)) close();
});

/** Settings of a client that talks to a server of ours, and has 50 ms of patience. */
async function settingsFor(serve: (socket: Socket) => void) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closings.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
    requestHandler: createRequestHandler({ connectionMsMax: 50, silenceMsMax: 50 }),
  };
}

type Settings = Awaited<ReturnType<typeof settingsFor>>;

test.each<[string, (settings: Settings) => Promise<unknown>]>([
  ['Kinesis', (settings) => new KinesisClient(settings).send(new ListStreamsCommand({}))],
  ['DynamoDB', (settings) => new DynamoDBClient(settings).send(new ListTablesCommand({}))],
  ['SQS', (settings) => new SQSClient(settings).send(new ListQueuesCommand({}))],
  ['S3', (settings) => new S3Client(settings).send(new ListBucketsCommand({}))],
])('a request that %s never answers is given up', async (_, send) => {
  await expect(send(await settingsFor(() => {}))).rejects.toMatchObject({ name: 'TimeoutError' });
});

test('an object that stops in the middle is given up', async () => {
  const settings = await settingsFor((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'));
  const client = new S3Client({ ...settings, forcePathStyle: true });
  const { Body } = await client.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'key' }));
  await expect(Body?.transformToByteArray()).rejects.toMatchObject({ name: 'TimeoutError' });
});

test('a connection by HTTP/2 that has fallen silent is not used for the next request', async () => {
  let connections = 0;
  const settings = await settingsFor(() => {
    connections += 1;
  });
  const client = new KinesisClient({ ...settings, requestHandler: createStreamingRequestHandler(50) });
  for (const expected of [1, 2]) {
    await expect(client.send(new ListStreamsCommand({}))).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(connections).toBe(expected);
  }
});
