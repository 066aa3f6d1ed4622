/**
 * The environment of every host, by the exact names that the CDK writes and the hosts read. A host reads only those that
 * its part of the data's path needs; `infra/` gives each host exactly these.
 */
export const settingNames = {
  /** The pipeline's id in the registry. */
  pipeline: 'PIPELINE',
  /** The plan's hash at synth; a host whose bundle holds another plan stops with `PLAN_MISMATCH`. */
  planHash: 'PLAN_HASH',
  /** Names of the losses of state that are allowed, with commas between; `none`. */
  droppedState: 'DROPPED_STATE',
  /** The source that a preprocess function reads. */
  source: 'SOURCE',
  /** Name of the raw stream of `source`. */
  rawStream: 'RAW_STREAM',
  /** Name of the pipeline's exchange stream. */
  exchangeStream: 'EXCHANGE_STREAM',
  /** How the worker reads the exchange: a `Reading`. */
  exchangeReading: 'EXCHANGE_READING',
  /** Name of the table of checkpoints and state items. */
  stateTable: 'STATE_TABLE',
  /** Name of the table of rows and totals. */
  resultsTable: 'RESULTS_TABLE',
  deadLetterQueueUrl: 'DEAD_LETTER_QUEUE_URL',
  /** Name of the bucket of the worker's snapshots. */
  snapshotBucket: 'SNAPSHOT_BUCKET',
  /** Where the views' rows go besides the results table: `SinkNames` as JSON. */
  sinks: 'SINKS',
  logLevel: 'LOG_LEVEL',
  /** Where the worker tells of its health and its metrics, such as `0.0.0.0:8080`. */
  httpAddress: 'HTTP_ADDRESS',
  /** After how many seconds without progress a worker loses a shard to another one. */
  leaseSeconds: 'LEASE_SECONDS',
  /** Over how many threads a worker spreads its shards. */
  workerThreads: 'WORKER_THREADS',
  /** The worker's memory in MiB, of which its threads take their heaps. */
  memoryMb: 'MEMORY_MB',
  /** Within how many seconds the workers should work off what has piled up. */
  drainSeconds: 'DRAIN_SECONDS',
} as const;

/**
 * How the worker reads the exchange: `polling` asks for records and shares each shard's reads with all that poll it; `fan-out` has them
 * pushed, 2 MB/s a shard of its own, and is billed by shard and hour and by GB.
 */
export const readings = ['polling', 'fan-out'] as const;
export type Reading = (typeof readings)[number];

/** Under which CloudWatch shows the metrics of all hosts. */
export const metricNamespace = 'Millrace';

/** The worker's name as a consumer of the exchange stream that records are pushed to. */
export const exchangeConsumer = 'worker';

/** What a deployment has for the views that go to files or streams. */
export interface SinkNames {
  /** Name of the bucket of the files; only where a view has some. */
  readonly archiveBucket?: string;
  /** Names of streams by view. */
  readonly streams: Readonly<Record<string, string>>;
}

export type Setting = keyof typeof settingNames;

/** How `droppedState` says that no loss is allowed: an empty setting is one that was forgotten. */
export const noLosses = 'none';

/** The value of `droppedState`. */
export function lossesSetting(losses: readonly string[]): string {
  return losses.length === 0 ? noLosses : losses.join(',');
}

/** Which settings each host is given. A function of one is never started with less. */
export const hostSettings = {
  preprocess: [
    'pipeline',
    'planHash',
    'droppedState',
    'source',
    'rawStream',
    'exchangeStream',
    'stateTable',
    'deadLetterQueueUrl',
    'logLevel',
  ],
  aggregate: [
    'pipeline',
    'planHash',
    'droppedState',
    'exchangeStream',
    'stateTable',
    'resultsTable',
    'deadLetterQueueUrl',
    'logLevel',
  ],
  read: ['pipeline', 'planHash', 'stateTable', 'resultsTable', 'logLevel'],
  tick: ['pipeline', 'planHash', 'exchangeStream', 'logLevel'],
  worker: [
    'pipeline',
    'planHash',
    'droppedState',
    'exchangeStream',
    'exchangeReading',
    'stateTable',
    'resultsTable',
    'deadLetterQueueUrl',
    'snapshotBucket',
    'sinks',
    'logLevel',
    'httpAddress',
    'leaseSeconds',
    'workerThreads',
    'memoryMb',
    'drainSeconds',
  ],
} as const satisfies Readonly<Record<string, readonly Setting[]>>;

export type HostName = keyof typeof hostSettings;

/** The environment of one host. */
export type HostEnvironment<Host extends HostName> = {
  readonly [S in (typeof hostSettings)[Host][number] as (typeof settingNames)[S]]: string;
};
