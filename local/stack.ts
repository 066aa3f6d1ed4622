import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { wallClock } from '#shared/adapters/clock.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { assert } from '#shared/schemas/error.ts';
import type { LookupTableSpec } from '#shared/schemas/lookup.ts';
import type { SinkNames } from '#shared/schemas/settings.ts';
import { type Assembly, type AssemblyProps, assemble } from './assembly.ts';
import { createCheckpointFile } from './checkpoint-file.ts';
import { startDynamodb } from './dynamodb.ts';
import {
  createEventSourceMapping,
  type EventSourceMapping,
  type MappingCheckpoint,
} from './event-source-mapping/mapping.ts';
import { readSettings } from './event-source-mapping/settings.ts';
import { createFailures, type Failures, failuresFileIn } from './failures.ts';
import { type OwnedFolder, ownFolder } from './folder.ts';
import { createFunctionUrl } from './function-url.ts';
import { checkReach, checkWhole, mappingsFolder } from './kept.ts';
import type { Kinesis } from './kinesis/model.ts';
import { startKinesis } from './kinesis/server.ts';
import { createLambdaFunction, type LambdaFunction } from './lambda/function.ts';
import { type LocalServer, loopback } from './listen.ts';
import { Objects } from './s3/objects.ts';
import { startS3 } from './s3/wire.ts';
import { startSchedule } from './schedule.ts';
import { Queues } from './sqs/queues.ts';
import { startSqs } from './sqs/wire.ts';
import { type LocalResource, nameFromArn, region, resolveTemplate } from './template.ts';
import { startWorkerService, type WorkerService } from './worker-service.ts';

/** The port of each service; 0 for a free one. */
export interface StackPorts {
  readonly read: number;
  readonly kinesis: number;
  readonly dynamodb: number;
  readonly sqs: number;
  readonly s3: number;
}

export interface StackOptions {
  readonly pipeline: Pipeline;
  /** Where everything is kept: streams, tables, queues, objects, checkpoints. */
  readonly folder: string;
  readonly ports: StackPorts;
  /** Whether Kinesis refuses what exceeds its limits. Default: true. */
  readonly throttle?: boolean;
  /** What is not given has the construct's default. */
  readonly props?: AssemblyProps;
  /** Only what keeps something is started: no record is read, and nothing runs by itself. */
  readonly isIdle?: boolean;
  /** Each line that a function or the worker prints. */
  readonly onLine: (source: string, line: string) => void;
  /** A service failed by no caller's fault, such as on a full disk: callers would try again for ever. */
  readonly onError?: (error: unknown) => void;
}

/** A pipeline's stack, running on this machine. */
export interface LocalStack {
  readonly stackName: string;
  /** For `AWS_ENDPOINT_URL_KINESIS` and so on. */
  readonly endpoints: {
    readonly kinesis: string;
    readonly dynamodb: string;
    readonly sqs: string;
    readonly s3: string;
  };
  readonly readUrl: string;
  /** Stream names by source. */
  readonly rawStreams: ReadonlyMap<string, string>;
  readonly exchangeStream: string;
  readonly stateTable: string;
  readonly resultsTable: string;
  /** Undefined without a worker. */
  readonly snapshotBucket: string | undefined;
  readonly queueUrl: string;
  /** Where the views' rows go besides the results table. */
  readonly sinks: SinkNames;
  readonly kinesis: Kinesis;
  /** The dead letters, oldest first, without receiving them. */
  readonly deadLetters: () => readonly string[];
  /** Functions by what they do. */
  readonly functions: ReadonlyMap<string, LambdaFunction>;
  readonly worker: WorkerService | undefined;
  /** Age of the oldest record that a function has not done, over all mappings. */
  readonly iteratorAgeMs: () => number;
  /** The functions and workers that have failed again and again, with what they last failed of. */
  readonly failures: () => readonly string[];
  readonly stop: () => Promise<void>;
}

/** How many environments of one function there may be: one batch of a shard is in flight at a time, so this bounds the shards served at once. */
const concurrencyMax = 64;

/** Whoever presses Control-C is not kept waiting for a snapshot: without it the next worker does some of the work again. */
const workerStopMsMax = 5_000;

/** Starts what the synthesized template holds, from the very bundles that would be deployed. */
export async function startStack(options: StackOptions): Promise<LocalStack> {
  const folder = resolve(options.folder);
  mkdirSync(folder, { recursive: true });
  const owned = ownFolder(folder);
  const servers: LocalServer[] = [];
  try {
    checkWhole(folder);
    return await new StackBuilder(options, owned, servers).start();
  } catch (error) {
    await Promise.all(servers.map((server) => server.close()));
    owned.release();
    throw error;
  }
}

class StackBuilder {
  readonly #options: StackOptions;
  readonly #owned: OwnedFolder;
  readonly #servers: LocalServer[];
  readonly #functions = new Map<string, LambdaFunction>();
  readonly #mappings: EventSourceMapping[] = [];
  readonly #failures: Failures;
  readonly #checkpoints: { readonly close: () => void }[] = [];

  constructor(options: StackOptions, owned: OwnedFolder, servers: LocalServer[]) {
    this.#options = options;
    this.#owned = owned;
    this.#servers = servers;
    const file = failuresFileIn(owned.path);
    const note = () => file.writeSoon(() => this.#failures.list());
    this.#failures = createFailures(note);
    this.#checkpoints.push(file);
    // Those of the stack before are over.
    note();
  }

  async start(): Promise<LocalStack> {
    const { pipeline, ports, props = {}, throttle = true, isIdle = false } = this.#options;
    const folder = this.#owned.path;
    const onError = this.#options.onError ?? ((error: unknown) => console.error(error));
    const assembly = await assemble(pipeline, join(folder, 'cdk.out'), props);
    const kinesis = await this.#serve(
      startKinesis({ folder: join(folder, 'kinesis'), port: ports.kinesis, throttle, onError }),
    );
    const dynamodb = await this.#serve(startDynamodb({ folder: join(folder, 'dynamodb'), port: ports.dynamodb }));
    const queues = new Queues({ folder: join(folder, 'sqs'), now: () => Date.now() });
    const sqs = await this.#serve(startSqs({ queues, port: ports.sqs, onError }));
    const objects = new Objects(join(folder, 's3'));
    const s3 = await this.#serve(startS3({ objects, port: ports.s3, onError }));
    const resources = resolveTemplate(assembly.stackName, assembly.template.Resources, { sqs: sqs.endpoint });
    const endpoints = { kinesis: kinesis.endpoint, dynamodb: dynamodb.endpoint, sqs: sqs.endpoint, s3: s3.endpoint };

    createStreams(kinesis.model, resources);
    for (const table of ofType(resources, 'AWS::DynamoDB::Table'))
      await dynamodb.createTable({ ...table.properties, TableName: table.name });
    // Where it is deployed they are somebody else's, and there.
    for (const { spec } of lookupTablesOf(pipeline.plan)) await dynamodb.createTable(propertiesOfTable(spec));
    dynamodb.startExpiring(onError);
    for (const queue of ofType(resources, 'AWS::SQS::Queue')) queues.declare(queue.name, queue.properties);
    for (const bucket of ofType(resources, 'AWS::S3::Bucket')) objects.createBucket(bucket.name);
    for (const resource of ofType(resources, 'AWS::Lambda::Function'))
      this.#createFunction(resource, assembly.codeDirectories, endpoints);
    const running = isIdle ? [] : resources;
    for (const mapping of ofType(running, 'AWS::Lambda::EventSourceMapping'))
      this.#startMapping(mapping, kinesis.model, folder);
    const schedules = ofType(running, 'AWS::Events::Rule').map((rule) =>
      startSchedule(rule.properties, (arn) => this.#functionOf(arn)),
    );
    const [url] = ofType(resources, 'AWS::Lambda::Url');
    assert(url !== undefined, 'the template has a function URL for the read API');
    const read = await this.#serve(
      createFunctionUrl(this.#functionOf(String(url.properties['TargetFunctionArn'])), ports.read),
    );
    const worker = this.#startWorker(running, assembly.codeDirectories, endpoints, folder);
    const settings = settingsOf(resources);
    const [queue] = ofType(resources, 'AWS::SQS::Queue');
    return {
      stackName: assembly.stackName,
      endpoints,
      readUrl: read.endpoint,
      rawStreams: rawStreamsOf(resources),
      exchangeStream: settings('EXCHANGE_STREAM'),
      stateTable: settings('STATE_TABLE'),
      resultsTable: settings('RESULTS_TABLE'),
      snapshotBucket: snapshotBucketOf(resources),
      queueUrl: settings('DEAD_LETTER_QUEUE_URL'),
      sinks: sinksOf(resources),
      kinesis: kinesis.model,
      deadLetters: () => queues.peek(queue?.name ?? ''),
      functions: this.#functions,
      worker,
      iteratorAgeMs: () => Math.max(0, ...this.#mappings.map((mapping) => mapping.iteratorAgeMs())),
      failures: () => this.#failures.list(),
      stop: async () => {
        for (const schedule of schedules) schedule.stop();
        // First what works, then what it works on. A batch in flight is not waited for: it is tried again at the next start.
        const mappings = this.#mappings.map((mapping) => mapping.stop());
        await Promise.all([...this.#functions.values()].map((lambda) => lambda.stop()));
        await Promise.all([worker?.stop(), ...mappings]);
        for (const file of this.#checkpoints) file.close();
        await Promise.all(this.#servers.map((server) => server.close()));
        this.#owned.release();
      },
    };
  }

  async #serve<Server extends LocalServer>(starting: Promise<Server>): Promise<Server> {
    const server = await starting;
    this.#servers.push(server);
    return server;
  }

  #createFunction(
    resource: LocalResource,
    code: Assembly['codeDirectories'],
    endpoints: LocalStack['endpoints'],
  ): void {
    const { properties } = resource;
    const codePath = code[resource.logicalId];
    assert(codePath !== undefined, `the assembly holds the bundle of ${resource.logicalId}`);
    const { Variables = {} } = (properties['Environment'] ?? {}) as {
      readonly Variables?: Readonly<Record<string, string>>;
    };
    this.#functions.set(
      resource.name,
      createLambdaFunction({
        clock: wallClock,
        functionName: resource.name,
        functionArn: `arn:aws:lambda:${region}:000000000000:function:${resource.name}`,
        region,
        codePath,
        handler: String(properties['Handler']),
        memoryMb: Number(properties['MemorySize'] ?? 128),
        timeoutMs: Number(properties['Timeout'] ?? 3) * 1_000,
        variables: { ...Variables, ...endpointVariables(endpoints) },
        concurrency: concurrencyMax,
        onLine: ({ text }) => this.#options.onLine(resource.name, text),
      }),
    );
  }

  #startMapping({ name, properties }: LocalResource, kinesis: Kinesis, folder: string): void {
    const functionArn = String(properties['FunctionName']);
    const lambda = this.#functionOf(functionArn);
    const streamArn = String(properties['EventSourceArn']);
    const streamName = nameFromArn(streamArn);
    const file = createCheckpointFile<MappingCheckpoint>(join(folder, mappingsFolder, `${name}.json`));
    const checkpoint = file.read();
    checkReach(kinesis, { folder, streamName, shards: checkpoint?.shards ?? {} });
    const mapping: EventSourceMapping = createEventSourceMapping({
      reader: kinesis,
      clock: wallClock,
      invoke: async (event) => this.#failures.noteOutcome(functionArn, await lambda.invoke(event)),
      streamName,
      source: { streamArn, functionArn, roleArn: 'arn:aws:iam::000000000000:role/local', region },
      settings: readSettings(properties),
      ...(checkpoint === undefined ? {} : { checkpoint }),
      // Where a mapping stands may be older than what it did: it then sends some batches again, as Lambda may.
      onCheckpoint: () => file.writeSoon(() => mapping.checkpoint()),
      onArrival: (listener) =>
        kinesis.onChange((change) => {
          if (!('streamName' in change) || change.streamName === streamName) listener();
        }),
    });
    this.#mappings.push(mapping);
    this.#checkpoints.push(file);
  }

  #startWorker(
    resources: readonly LocalResource[],
    code: Assembly['codeDirectories'],
    endpoints: LocalStack['endpoints'],
    folder: string,
  ): WorkerService | undefined {
    const [task] = ofType(resources, 'AWS::ECS::TaskDefinition');
    const [service] = ofType(resources, 'AWS::ECS::Service');
    const [scaling] = ofType(resources, 'AWS::ApplicationAutoScaling::ScalableTarget');
    if (task === undefined || service === undefined) return undefined;
    const container = containerOf(task);
    const codePath = code[task.logicalId];
    assert(codePath !== undefined, 'the assembly has the bundle of the task');
    return startWorkerService({
      // A service that is scaled has no number of its own; here it stays at the least.
      tasks: Number(service.properties['DesiredCount'] ?? scaling?.properties['MinCapacity']),
      codePath,
      environment: {
        ...environmentOf(container),
        ...endpointVariables(endpoints),
        ...credentials,
        AWS_REGION: region,
        HTTP_ADDRESS: `${loopback}:0`,
      },
      scratchFolder: join(folder, 'worker'),
      stopTimeoutMs: Math.min(container.StopTimeout * 1_000, workerStopMsMax),
      onLine: (index, line) => this.#options.onLine(`worker ${index}`, line),
      onFailure: (index, error) => this.#failures.note(`worker ${index}`, error),
    });
  }

  #functionOf(arn: string): LambdaFunction {
    const lambda = this.#functions.get(nameFromArn(arn));
    assert(lambda !== undefined, `the template has the function ${arn}`);
    return lambda;
  }
}

/** Clients must find some credentials to sign with; nothing checks them. */
const credentials = { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' };

function endpointVariables({ kinesis, dynamodb, sqs, s3 }: LocalStack['endpoints']): Readonly<Record<string, string>> {
  return {
    AWS_ENDPOINT_URL_KINESIS: kinesis,
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb,
    AWS_ENDPOINT_URL_SQS: sqs,
    AWS_ENDPOINT_URL_S3: s3,
  };
}

function propertiesOfTable({ name, key }: LookupTableSpec) {
  return {
    TableName: name,
    KeySchema: key.map((column, at) => ({ AttributeName: column.name, KeyType: at === 0 ? 'HASH' : 'RANGE' })),
    AttributeDefinitions: key.map(({ name, type }) => ({
      AttributeName: name,
      AttributeType: type === 'number' ? 'N' : 'S',
    })),
  };
}

function ofType(resources: readonly LocalResource[], type: string): readonly LocalResource[] {
  return resources.filter((resource) => resource.type === type);
}

function createStreams(kinesis: Kinesis, resources: readonly LocalResource[]): void {
  const known = kinesis.listStreams();
  for (const { name, properties } of ofType(resources, 'AWS::Kinesis::Stream')) {
    if (known.includes(name)) continue;
    kinesis.createStream({
      streamName: name,
      shardCount: Number(properties['ShardCount'] ?? 1),
      retentionHours: Number(properties['RetentionPeriodHours'] ?? 24),
    });
  }
}

function variablesOf(resource: LocalResource): Readonly<Record<string, string>> {
  return (
    ((resource.properties['Environment'] ?? {}) as { readonly Variables?: Readonly<Record<string, string>> })
      .Variables ?? {}
  );
}

/** The stack's own names, read off the environment that the template gives to its functions. */
function settingsOf(resources: readonly LocalResource[]): (name: string) => string {
  const all: Readonly<Record<string, string>> = Object.assign(
    {},
    ...ofType(resources, 'AWS::Lambda::Function').map(variablesOf),
  );
  return (name) => all[name] ?? '';
}

function snapshotBucketOf(resources: readonly LocalResource[]): string | undefined {
  const [task] = ofType(resources, 'AWS::ECS::TaskDefinition');
  return task === undefined ? undefined : environmentOf(containerOf(task))['SNAPSHOT_BUCKET'];
}

interface Container {
  readonly Environment: readonly { readonly Name: string; readonly Value: string }[];
  readonly StopTimeout: number;
}

function containerOf(task: LocalResource): Container {
  const [container] = task.properties['ContainerDefinitions'] as readonly Container[];
  assert(container !== undefined, 'the task definition has a container');
  return container;
}

function environmentOf({ Environment }: Container): Readonly<Record<string, string>> {
  return Object.fromEntries(Environment.map(({ Name, Value }) => [Name, Value]));
}

function sinksOf(resources: readonly LocalResource[]): SinkNames {
  const [task] = ofType(resources, 'AWS::ECS::TaskDefinition');
  return task === undefined ? { streams: {} } : JSON.parse(environmentOf(containerOf(task))['SINKS'] ?? '{}');
}

function rawStreamsOf(resources: readonly LocalResource[]): ReadonlyMap<string, string> {
  const streams = new Map<string, string>();
  for (const resource of ofType(resources, 'AWS::Lambda::Function')) {
    const { SOURCE, RAW_STREAM } = variablesOf(resource);
    if (SOURCE !== undefined && RAW_STREAM !== undefined) streams.set(SOURCE, RAW_STREAM);
  }
  return streams;
}
