import { Stream, StreamEncryption, StreamMode } from 'aws-cdk-lib/aws-kinesis';
import type { Construct } from 'constructs';
import { type Plan, sinksOf, sourcesOf, stepsOf } from '#shared/pipeline/plan.ts';
import type { Sizing } from './props.ts';

export interface Streams {
  /** By source. */
  readonly raw: ReadonlyMap<string, Stream>;
  readonly exchange: Stream;
  /** By view: those whose rows go into a stream of their own. */
  readonly rows: ReadonlyMap<string, Stream>;
}

/** One raw stream per source, one exchange stream, and one stream per view that goes to one. */
export function createStreams(scope: Construct, { plan, sizing }: { plan: Plan; sizing: Sizing }): Streams {
  const createStream = (id: string, shardCount: number): Stream =>
    new Stream(scope, id, {
      // On-demand streams split by themselves and cost several times as much; blocks need few shards.
      streamMode: StreamMode.PROVISIONED,
      shardCount,
      retentionPeriod: sizing.retention,
      encryption: StreamEncryption.MANAGED,
      removalPolicy: sizing.removalPolicy,
    });
  const raw = sourcesOf(plan).map(({ id }) => [id, createStream(`Raw-${id}`, sizing.rawShards)] as const);
  const rows = stepsOf(plan)
    .filter((step) => sinksOf(step).stream !== undefined)
    .map(({ id }) => [id, createStream(`Rows-${id}`, sizing.rowShards)] as const);
  return { raw: new Map(raw), exchange: createStream('Exchange', sizing.exchangeShards), rows: new Map(rows) };
}
