import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { sourcesOf } from '#shared/pipeline/plan.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { Reading } from '#shared/schemas/settings.ts';

export interface StreamPipelineProps {
  /** A pipeline of the registry: the hosts find it there again by its id. */
  readonly pipeline: Pipeline;
  /**
   * What becomes of streams, tables, snapshots, files, dead letters and logs when the stack is deleted. Tables are protected from
   * deletion unless it is DESTROY; buckets must then be emptied by hand first. Default: RETAIN.
   */
  readonly removalPolicy?: RemovalPolicy;
  /** Shards of each raw stream: each takes 1 MB/s and 1,000 records/s. Default: 2. */
  readonly rawShards?: number;
  /**
   * Shards of the exchange stream, at most the plan's slots: more would be idle. Default: one for four raw shards, since
   * blocks are packed and compressed.
   */
  readonly exchangeShards?: number;
  /** Shards of the stream of each view that goes to one, at most the plan's slots. Default: 1. */
  readonly rowShards?: number;
  /** How long the streams keep records: how long an outage may last without loss. At least 72 hours, the default. */
  readonly retention?: Duration;
  /** How the raw streams are cut into batches. Default: 1,000 records or 1 s. */
  readonly preprocess?: BatchProps;
  /** How the exchange stream is cut into batches. A longer window means fewer checkpoints and later rows. Default: 100 blocks or 1 s. */
  readonly aggregate?: BatchProps;
  /**
   * The Fargate service: how many tasks share the shards of the exchange, how they read, and the size of each. Default: a task of 1,024
   * CPU units (1 vCPU) and 2,048 MiB, more of them while they are behind and as long as there is a shard for each thread, and polling.
   */
  readonly worker?: WorkerProps;
  /** Is told of every alarm and of its end. Default: alarms are shown, nobody is told. */
  readonly alarmTopic?: ITopic;
  /** How far a consumer may fall behind before the alarm. At most a quarter of the retention. Default: 15 minutes. */
  readonly lagMax?: Duration;
  /** Default: info. */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error';
}

/** A batch is sent when it is full, when the window is over, or at 6 MB. */
export interface BatchProps {
  readonly size?: number;
  readonly window?: Duration;
}

export interface WorkerProps {
  /** How many there are at least. At most the plan's slots: more would have nothing to read. */
  readonly tasks?: number;
  /**
   * How many there may be: the service is scaled between the two on its drain load. The same as `tasks`: it is not scaled. Default: as many
   * as have a shard for each of their threads.
   */
  readonly tasksMax?: number;
  /** Within what time the tasks should work off what has piled up; the shorter, the more tasks come, and the sooner. Default: 5 minutes. */
  readonly drainSeconds?: number;
  /** Over how many threads a task spreads its shards; each has its share of the memory. Default: one for each vCPU. */
  readonly threads?: number;
  /** After how long without progress a task loses a shard to another one; a task that dies is missed for so long. Default: 10. */
  readonly leaseSeconds?: number;
  readonly cpuUnits?: number;
  /** Three tenths of it are for state, in all its threads; state beyond that lies on the disk. Default: 2,048. */
  readonly memoryMiB?: number;
  /** Of each task, from 21 to 200; 20 of it cost nothing. Default: 21. */
  readonly diskGiB?: number;
  /** How it reads the exchange. Fan-out has records at once and takes no reads from the aggregate function; AWS bills it extra. */
  readonly reading?: Reading;
}

/** Props with every default filled in and every limit checked. */
export interface Sizing {
  readonly removalPolicy: RemovalPolicy;
  readonly rawShards: number;
  readonly exchangeShards: number;
  readonly rowShards: number;
  readonly retention: Duration;
  readonly preprocess: Required<BatchProps>;
  readonly aggregate: Required<BatchProps>;
  readonly worker: Required<WorkerProps>;
  readonly lagMax: Duration;
  readonly logLevel: string;
}

export const retentionHoursMin = 72;
/** What Kinesis offers: a year. */
const retentionHoursMax = 8_760;
/** What an event source mapping offers. */
const batchSizeMax = 10_000;
const batchWindowSecondsMax = 300;
/** The most that a stream of Kinesis is given. */
const rawShardsMax = 10_000;
/** Blocks are packed by column and compressed, so this many raw shards fit into one exchange shard. */
const rawShardsPerExchangeShard = 4;
/** A worker that is alive shows it once a lease period; the container's health check waits for a minute. */
const leaseSecondsMax = 60;
/** A vCPU. */
const cpuUnitsPerThread = 1_024;
/** CloudWatch looks once a minute, and a new task takes some to start. */
const drainSecondsMin = 60;
/** What Fargate can be asked for; by itself it gives 20. */
const diskGiBMin = 21;
const diskGiBMax = 200;
/** After the alarm there must be time to act: the rest of the retention. */
const lagPerRetentionMax = 1 / 4;

/** Throws `SETTING_INVALID`, naming the prop, its value and its limits. */
export function sizingOf(props: StreamPipelineProps): Sizing {
  const { pipeline } = props;
  const rawShards = props.rawShards ?? 2;
  checkRange(pipeline.id, { name: 'rawShards', value: rawShards, min: 1, max: rawShardsMax });
  const wanted = Math.ceil((rawShards * sourcesOf(pipeline.plan).length) / rawShardsPerExchangeShard);
  const exchangeShards = props.exchangeShards ?? Math.min(wanted, pipeline.plan.slots);
  checkRange(pipeline.id, { name: 'exchangeShards', value: exchangeShards, min: 1, max: pipeline.plan.slots });
  const rowShards = props.rowShards ?? 1;
  checkRange(pipeline.id, { name: 'rowShards', value: rowShards, min: 1, max: pipeline.plan.slots });
  const retention = props.retention ?? Duration.hours(retentionHoursMin);
  checkRange(pipeline.id, {
    name: 'retention in hours',
    value: retention.toHours({ integral: false }),
    min: retentionHoursMin,
    max: retentionHoursMax,
  });
  const lagMax = props.lagMax ?? Duration.minutes(15);
  checkRange(pipeline.id, {
    name: 'lagMax in seconds',
    value: lagMax.toSeconds(),
    min: 60,
    max: retention.toSeconds() * lagPerRetentionMax,
  });
  const tasks = props.worker?.tasks ?? 1;
  checkRange(pipeline.id, { name: 'worker.tasks', value: tasks, min: 1, max: pipeline.plan.slots });
  const cpuUnits = props.worker?.cpuUnits ?? 1_024;
  const threads = props.worker?.threads ?? Math.max(1, Math.floor(cpuUnits / cpuUnitsPerThread));
  checkRange(pipeline.id, { name: 'worker.threads', value: threads, min: 1, max: pipeline.plan.slots });
  const tasksMax = props.worker?.tasksMax ?? Math.max(tasks, Math.floor(exchangeShards / threads));
  checkRange(pipeline.id, { name: 'worker.tasksMax', value: tasksMax, min: tasks, max: pipeline.plan.slots });
  const drainSeconds = props.worker?.drainSeconds ?? 300;
  checkRange(pipeline.id, {
    name: 'worker.drainSeconds',
    value: drainSeconds,
    min: drainSecondsMin,
    max: retention.toSeconds() * lagPerRetentionMax,
  });
  const leaseSeconds = props.worker?.leaseSeconds ?? 10;
  checkRange(pipeline.id, { name: 'worker.leaseSeconds', value: leaseSeconds, min: 1, max: leaseSecondsMax });
  const diskGiB = props.worker?.diskGiB ?? diskGiBMin;
  checkRange(pipeline.id, { name: 'worker.diskGiB', value: diskGiB, min: diskGiBMin, max: diskGiBMax });
  return {
    removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
    rawShards,
    exchangeShards,
    rowShards,
    retention,
    preprocess: batchOf(pipeline.id, { name: 'preprocess', sizeDefault: 1_000, batch: props.preprocess }),
    aggregate: batchOf(pipeline.id, { name: 'aggregate', sizeDefault: 100, batch: props.aggregate }),
    worker: {
      tasks,
      tasksMax,
      drainSeconds,
      threads,
      leaseSeconds,
      cpuUnits,
      memoryMiB: props.worker?.memoryMiB ?? 2_048,
      diskGiB,
      reading: props.worker?.reading ?? 'polling',
    },
    lagMax,
    logLevel: props.logLevel ?? 'info',
  };
}

function batchOf(
  pipeline: string,
  { name, sizeDefault, batch }: { name: string; sizeDefault: number; batch: BatchProps | undefined },
): Required<BatchProps> {
  const size = batch?.size ?? sizeDefault;
  const window = batch?.window ?? Duration.seconds(1);
  checkRange(pipeline, { name: `${name}.size`, value: size, min: 1, max: batchSizeMax });
  checkRange(pipeline, {
    name: `${name}.window in seconds`,
    value: window.toSeconds({ integral: false }),
    min: 0,
    max: batchWindowSecondsMax,
  });
  return { size, window };
}

function checkRange(pipeline: string, prop: { name: string; value: number; min: number; max: number }): void {
  const { name, value, min, max } = prop;
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new MillraceError(
    'SETTING_INVALID',
    `${pipeline}: ${name} is ${value}; it must be a whole number from ${min} to ${max}.`,
  );
}
