import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createFeed } from '#cli/feed.ts';
import { startKinesis } from '#local/kinesis/server.ts';
import { flow } from '#pipelines/flow.ts';

test.each([
  ['without faults', []],
  ['with a fault', ['kill-lambda']],
] as const)('all records of a pipe that a path names are pushed, %s', async (_, faults) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-feed-'));
  const local = await startKinesis({ folder: join(folder, 'kinesis'), throttle: false });
  onTestFinished(() => local.close());
  local.model.createStream({ streamName: 'raw' });
  const { endpoint } = local;
  const endpoints = { kinesis: endpoint, dynamodb: '', sqs: '', s3: '' };
  const feed = createFeed({ stack: { endpoints, rawStreams: new Map([['flows', 'raw']]) }, rate: undefined });
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const written = writeFile(path, '{"ts":1,"ip":"a","bytes":1}\n{"ts":2,"ip":"b","bytes":2}\n');
  const options = { isEnd: false, faults, perform: async () => {} };
  await feed.pushInputs(flow, [{ source: 'flows', path }], options);
  await written;
  expect(feed.pushedCount()).toBe(2);
});
