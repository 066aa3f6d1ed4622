import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { GetRecordsCommand, GetShardIteratorCommand, KinesisClient, ListShardsCommand } from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createChaos } from '#cli/chaos.ts';
import { parseFaults } from '#cli/faults.ts';
import { createFeed } from '#cli/feed.ts';
import { portsOf } from '#cli/ports.ts';
import { saveRowFiles } from '#cli/row-files.ts';
import { waitUntilFinal } from '#cli/settle.ts';
import { createStackReader } from '#cli/stack-reader.ts';
import { localClient } from '#local/client.ts';
import { type LocalStack, startStack } from '#local/stack.ts';
import { archive } from '#pipelines/archive.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import { accessLog, emptyFolder } from './command.ts';
import { queryAccessLog, queryFiles } from './duckdb.ts';

const faults = 'kill-worker=10,kill-lambda=4,split-exchange=2,merge-exchange=2,split-raw=1,merge-raw=1';
const hasInput = existsSync(accessLog);

describe.skipIf(!hasInput)(
  'rows besides the table, while workers and Lambdas are killed and shards are split and merged',
  () => {
    const folder = emptyFolder();
    let stack: LocalStack;

    beforeAll(async () => {
      stack = await startStack({
        pipeline: archive,
        folder: join(folder, 'stack'),
        ports: portsOf('0'),
        throttle: false,
        props: { rawShards: 2, exchangeShards: 3, worker: { tasks: 2, leaseSeconds: 2 } },
        onLine: () => undefined,
      });
      const chaos = createChaos(stack, 1);
      const feed = createFeed({ stack, rate: undefined });
      const inputs = [{ source: 'requests', path: accessLog }];
      await feed.pushInputs(archive, inputs, { isEnd: true, faults: parseFaults(faults), perform: chaos.perform });
      const reader = createStackReader(archive, stack);
      await waitUntilFinal({ pipeline: archive, stack, reader, feed, endMs: endOfStreamMs, folder });
      await saveRowFiles(stack, join(folder, 'archive'));
    }, 170_000);
    afterAll(() => stack.stop());

    it('are in Parquet files each once, as DuckDB counts them and reads them', async () => {
      const right = await queryAccessLog(
        `SELECT split_part(split_part(path, '?', 1), '/', 2) AS section, status, ms - ms % 3600000 AS hour, count(*) AS requests, sum(bytes) AS bytes FROM log GROUP BY ALL`,
      );
      const found = await queryFiles(
        `SELECT section, status, epoch_ms(windowStart) AS hour, requests, bytes, date FROM read_parquet('${folder}/archive/sections-1h/*/*.parquet', hive_partitioning = true)`,
      );
      expect(right.length).toBeGreaterThan(500);
      expect(sorted(found)).toEqual(sorted(right));
      const schemas = await queryFiles(
        `SELECT DISTINCT columns FROM (SELECT list(concat_ws(' ', name, type, converted_type) ORDER BY name) AS columns FROM parquet_schema('${folder}/archive/sections-1h/*/*.parquet') GROUP BY file_name)`,
      );
      expect(schemas.length).toBe(1);
      for (const { hour, date } of found) expect(new Date(Number(hour)).toISOString().slice(0, 10)).toBe(date);
    });

    it('are in NDJSON files each once, and in a stream for whoever passes over what it has seen', async () => {
      const files = await queryFiles(`SELECT * FROM read_json('${folder}/archive/ended-visits/*/*.ndjson.gz')`);
      const right = await queryAccessLog(
        `, marked AS (SELECT *, CASE WHEN ms - lag(ms) OVER (PARTITION BY ip ORDER BY ms) <= 1800000 THEN 0 ELSE 1 END AS first FROM log),
       numbered AS (SELECT *, sum(first) OVER (PARTITION BY ip ORDER BY ms RANGE UNBOUNDED PRECEDING) AS visit FROM marked)
       SELECT ip, min(ms) AS start, count(*) AS requests, sum(bytes) AS bytes FROM numbered GROUP BY ip, visit`,
      );
      const texts = right.map(({ ip, start, requests, bytes }) => [ip, Number(start), Number(requests), Number(bytes)]);
      expect(texts.length).toBeGreaterThan(1_000);
      const inOrder = [...texts].map(String).sort();
      const rowOf = ({ ip, windowStart, requests, bytes }: Readonly<Record<string, unknown>>) =>
        String([ip, Date.parse(String(windowStart)), Number(requests), Number(bytes)]);
      expect(files.map(rowOf).sort()).toEqual(inOrder);
      expect((await rowsOfStream(stack, 'ended-visits')).map(rowOf).sort()).toEqual(inOrder);
    });

    it('say where they are when a view without a table is asked for', async () => {
      const response = await fetch(`${stack.readUrl}/views/sections-1h`);
      expect([response.status, await response.json()]).toMatchObject([
        400,
        { message: expect.stringContaining('files') },
      ]);
    });
  },
);

function sorted(rows: readonly Readonly<Record<string, unknown>>[]): readonly string[] {
  return rows
    .map(({ section, status, hour, requests, bytes }) =>
      JSON.stringify([section, Number(status), Number(hour), Number(requests), Number(bytes)]),
    )
    .sort();
}

/** As the sink's documentation tells a reader to do it. */
async function rowsOfStream(stack: LocalStack, view: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new KinesisClient(localClient(stack.endpoints.kinesis));
  const StreamName = stack.sinks.streams[view];
  const rows: Readonly<Record<string, unknown>>[] = [];
  const last = new Map<unknown, string>();
  const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName }));
  for (const { ShardId } of Shards) {
    const iterator = new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' });
    let { ShardIterator } = await client.send(iterator);
    for (;;) {
      const { Records = [], NextShardIterator } = await client.send(new GetRecordsCommand({ ShardIterator }));
      if (Records.length === 0) break;
      for (const { Data } of Records) {
        for (const line of Buffer.from(Data ?? [])
          .toString()
          .trimEnd()
          .split('\n')) {
          const row = JSON.parse(line) as { readonly position: { readonly [part: string]: unknown } };
          const { slot, log, index } = row.position;
          const place = `${log} ${String(index).padStart(9, '0')}`;
          if (place <= (last.get(slot) ?? '')) continue;
          last.set(slot, place);
          rows.push(row);
        }
      }
      ShardIterator = NextShardIterator;
    }
  }
  return rows;
}
