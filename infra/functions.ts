import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Stream } from 'aws-cdk-lib/aws-kinesis';
import {
  Architecture,
  Code,
  FunctionUrlAuthType,
  type IFunction,
  Runtime,
  StartingPosition,
} from 'aws-cdk-lib/aws-lambda';
import { NodejsFunction } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import { type Plan, stepsOf } from '#shared/pipeline/plan.ts';
import type { HostName } from '#shared/schemas/settings.ts';
import { codeFolder } from './bundle.ts';
import { environmentOf, type SettingValues } from './environment.ts';
import { permit } from './permissions.ts';
import type { BatchProps, Sizing } from './props.ts';
import type { Streams } from './streams.ts';
import { byWindowIndex, type Tables } from './tables.ts';

export interface Functions {
  /** By source. */
  readonly preprocess: ReadonlyMap<string, IFunction>;
  /** Only when the plan has a step placed on Lambda. */
  readonly aggregate?: IFunction;
  readonly read: IFunction;
  readonly readUrl: string;
  readonly tick: IFunction;
}

interface Neighbours {
  readonly plan: Plan;
  readonly sizing: Sizing;
  readonly settings: SettingValues;
  readonly streams: Streams;
  readonly tables: Tables;
  readonly deadLetters: Queue;
}

/** The Lambda functions, in the order of the data's path, with what calls them. */
export function createFunctions(scope: Construct, neighbours: Neighbours): Functions {
  const preprocess = [...neighbours.streams.raw].map(
    ([source, raw]) => [source, createPreprocess(scope, { source, raw, ...neighbours })] as const,
  );
  const hasSteps = stepsOf(neighbours.plan, 'lambda').length > 0;
  return {
    preprocess: new Map(preprocess),
    ...(hasSteps ? { aggregate: createAggregate(scope, neighbours) } : {}),
    ...createRead(scope, neighbours),
    tick: createTick(scope, neighbours),
  };
}

function createPreprocess(scope: Construct, it: Neighbours & { source: string; raw: Stream }): IFunction {
  const settings = { ...it.settings, source: it.source, rawStream: it.raw.streamName };
  const { handler, role } = createFunction(scope, {
    id: `Preprocess-${it.source}`,
    host: 'preprocess',
    sizing: it.sizing,
    settings,
    // A whole core: decoding and validating is what takes time.
    memoryMiB: 1_769,
    timeout: Duration.minutes(2),
  });
  permit.pollStream(role, it.raw);
  permit.putRecords(role, it.streams.exchange);
  permit.keepState(role, it.tables.state);
  permit.sendDeadLetters(role, it.deadLetters);
  for (const { spec } of lookupTablesOf(it.plan, it.source)) permit.lookUp(role, spec.name);
  consume(handler, { stream: it.raw, batch: it.sizing.preprocess });
  return handler;
}

function createAggregate(scope: Construct, it: Neighbours): IFunction {
  const { handler, role } = createFunction(scope, {
    id: 'Aggregate',
    host: 'aggregate',
    sizing: it.sizing,
    settings: it.settings,
    memoryMiB: 1_769,
    timeout: Duration.minutes(2),
  });
  permit.pollStream(role, it.streams.exchange);
  permit.keepState(role, it.tables.state);
  permit.writeRows(role, it.tables.results);
  permit.sendDeadLetters(role, it.deadLetters);
  consume(handler, { stream: it.streams.exchange, batch: it.sizing.aggregate });
  return handler;
}

function createRead(scope: Construct, it: Neighbours): { read: IFunction; readUrl: string } {
  const { handler, role } = createFunction(scope, {
    id: 'Read',
    host: 'read',
    sizing: it.sizing,
    settings: it.settings,
    memoryMiB: 1_024,
    timeout: Duration.seconds(30),
  });
  // A total is final when every slot's watermark has passed, which the checkpoints tell (rule 16).
  permit.readState(role, it.tables.state);
  permit.readRows(role, it.tables.results, byWindowIndex);
  return { read: handler, readUrl: handler.addFunctionUrl({ authType: FunctionUrlAuthType.AWS_IAM }).url };
}

function createTick(scope: Construct, it: Neighbours): IFunction {
  const { handler, role } = createFunction(scope, {
    id: 'Tick',
    host: 'tick',
    sizing: it.sizing,
    settings: it.settings,
    memoryMiB: 512,
    timeout: Duration.seconds(50),
  });
  permit.putRecords(role, it.streams.exchange);
  // A tick carries its arrival time and nothing else, so an old one is worth nothing: the next one comes within the minute.
  const freshness = { retryAttempts: 0, maxEventAge: Duration.minutes(1) };
  handler.configureAsyncInvoke(freshness);
  new Rule(scope, 'EveryMinute', {
    schedule: Schedule.rate(Duration.minutes(1)),
    targets: [new LambdaFunction(handler, freshness)],
  });
  return handler;
}

/**
 * Maps a stream to a function. Nothing is ever skipped (rule 6): retries and record age have no limit, which is what leaving
 * them out means, and there is no destination to put a failed batch aside. The factor is 1, since a shard's batches must be
 * applied one at a time; scale by shards. A child shard is not read before its parents are finished: AWS sees to that.
 */
function consume(handler: NodejsFunction, { stream, batch }: { stream: Stream; batch: Required<BatchProps> }): void {
  handler.addEventSourceMapping('Mapping', {
    eventSourceArn: stream.streamArn,
    startingPosition: StartingPosition.TRIM_HORIZON,
    batchSize: batch.size,
    maxBatchingWindow: batch.window,
    parallelizationFactor: 1,
    reportBatchItemFailures: true,
    bisectBatchOnError: true,
  });
}

interface FunctionOptions {
  readonly id: string;
  readonly host: HostName;
  readonly sizing: Sizing;
  readonly settings: SettingValues;
  readonly memoryMiB: number;
  readonly timeout: Duration;
}

/** A function of `functions/`, with a log group and a role of its own that may do nothing but log. */
function createFunction(scope: Construct, options: FunctionOptions): { handler: NodejsFunction; role: Role } {
  const own = new Construct(scope, options.id);
  const logGroup = new LogGroup(own, 'Logs', {
    retention: RetentionDays.ONE_MONTH,
    removalPolicy: options.sizing.removalPolicy,
  });
  const role = new Role(own, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  logGroup.grantWrite(role);
  const handler = new NodejsFunction(own, 'Function', {
    // Bundled together with the other hosts: a run of its own for each would take longer than all of synth.
    code: Code.fromAsset(codeFolder(own, options.host)),
    handler: 'index.handler',
    runtime: Runtime.NODEJS_24_X,
    architecture: Architecture.ARM_64,
    memorySize: options.memoryMiB,
    timeout: options.timeout,
    role,
    logGroup,
    environment: { ...environmentOf(options.host, options.settings), NODE_OPTIONS: '--enable-source-maps' },
  });
  return { handler, role };
}
