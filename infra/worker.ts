import { Duration, Validations } from 'aws-cdk-lib';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import {
  AvailabilityZoneRebalancing,
  Capability,
  Cluster,
  ContainerImage,
  ContainerInsights,
  CpuArchitecture,
  FargateService,
  FargateTaskDefinition,
  LinuxParameters,
  LogDriver,
  OperatingSystemFamily,
} from 'aws-cdk-lib/aws-ecs';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { StreamConsumer } from 'aws-cdk-lib/aws-kinesis';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { feedingStepsOf, type Plan, sinksOf, stepsOf } from '#shared/pipeline/plan.ts';
import { exchangeConsumer, type SinkNames } from '#shared/schemas/settings.ts';
import { createArchive, createSnapshots, logicalIdOf } from './buckets.ts';
import { codeFolder } from './bundle.ts';
import { environmentOf, type SettingValues } from './environment.ts';
import { createNetwork } from './network.ts';
import { permit } from './permissions.ts';
import type { Sizing } from './props.ts';
import { isScaled, scaleOnDrainLoad } from './scaling.ts';
import type { Streams } from './streams.ts';
import type { Tables } from './tables.ts';

export interface Worker {
  readonly cluster: Cluster;
  readonly service: FargateService;
  readonly snapshots: Bucket;
  /** The views' files; only when a view has some. */
  readonly archive: Bucket | undefined;
}

/** The same number as in worker/Dockerfile. */
const userId = '10001:10001';
const scratchFolder = '/tmp';
/** Of the worker's health and metrics. Nobody may reach it from elsewhere until the service's connections say so. */
const httpPort = 8080;

interface Neighbours {
  readonly plan: Plan;
  readonly sizing: Sizing;
  readonly settings: SettingValues;
  readonly streams: Streams;
  readonly tables: Tables;
  readonly deadLetters: Queue;
}

/** The Fargate service for long-running windows, with its network, its image and its snapshots. */
export function createWorker(parent: Construct, it: Neighbours): Worker {
  const scope = new Construct(parent, 'Worker');
  const snapshots = createSnapshots(scope, it);
  const archive = hasFiles(it.plan) ? createArchive(scope, it) : undefined;
  const network = createNetwork(scope, it);
  const consumer = it.sizing.worker.reading === 'fan-out' ? createConsumer(scope, it) : undefined;
  const cluster = new Cluster(scope, 'Cluster', { vpc: network.vpc, containerInsightsV2: ContainerInsights.ENABLED });
  const taskDefinition = createTask(scope, { ...it, snapshots, archive, consumer, cluster });
  const service = new FargateService(scope, 'Service', {
    cluster,
    taskDefinition,
    securityGroups: [network.workerSecurityGroup],
    assignPublicIp: false,
    // Said only where it stays so: a deployment would set a service that is scaled back to it.
    ...(isScaled(it.sizing) ? {} : { desiredCount: it.sizing.worker.tasks }),
    // New tasks take shards as old ones hand them over, so a deployment leaves no gap.
    minHealthyPercent: 100,
    maxHealthyPercent: 200,
    availabilityZoneRebalancing: AvailabilityZoneRebalancing.ENABLED,
    circuitBreaker: { enable: true, rollback: true },
  });
  // A task that starts before it may pull its image or reach its endpoints fails, and the circuit breaker then fails the stack.
  service.node.addDependency(network.scope, taskDefinition.obtainExecutionRole());
  // A worker that finds no consumer registers one, and CloudFormation could not make its own any more.
  if (consumer !== undefined) service.node.addDependency(consumer);
  if (isScaled(it.sizing)) scaleOnDrainLoad(scope, { ...it, service });
  return { cluster, service, snapshots, archive };
}

function hasFiles(plan: Plan): boolean {
  return stepsOf(plan).some((step) => sinksOf(step).files !== undefined);
}

/** What the exchange is pushed to. Made by the stack rather than by the worker, so that it goes, and its bill, with fan-out or with the stack. */
function createConsumer(scope: Construct, { streams }: Neighbours): StreamConsumer {
  return new StreamConsumer(scope, 'Consumer', { stream: streams.exchange, streamConsumerName: exchangeConsumer });
}

interface TaskNeighbours extends Neighbours {
  readonly snapshots: Bucket;
  readonly archive: Bucket | undefined;
  readonly consumer: StreamConsumer | undefined;
  readonly cluster: Cluster;
}

function createTask(scope: Construct, it: TaskNeighbours): FargateTaskDefinition {
  const { cpuUnits, memoryMiB, diskGiB, reading, leaseSeconds, threads, drainSeconds } = it.sizing.worker;
  const taskDefinition = new FargateTaskDefinition(scope, 'Task', {
    cpu: cpuUnits,
    memoryLimitMiB: memoryMiB,
    ephemeralStorageGiB: diskGiB,
    runtimePlatform: { cpuArchitecture: CpuArchitecture.ARM64, operatingSystemFamily: OperatingSystemFamily.LINUX },
    taskRole: createTaskRole(scope, it),
  });
  const sinks: SinkNames = {
    ...(it.archive === undefined ? {} : { archiveBucket: it.archive.bucketName }),
    streams: Object.fromEntries([...it.streams.rows].map(([view, stream]) => [view, stream.streamName])),
  };
  const settings = {
    ...it.settings,
    exchangeReading: reading,
    snapshotBucket: it.snapshots.bucketName,
    sinks: JSON.stringify(sinks),
    httpAddress: `0.0.0.0:${httpPort}`,
    leaseSeconds: String(leaseSeconds),
    workerThreads: String(threads),
    memoryMb: String(memoryMiB),
    drainSeconds: String(drainSeconds),
  };
  const linuxParameters = new LinuxParameters(scope, 'Linux', {});
  linuxParameters.dropCapabilities(Capability.ALL);
  const container = taskDefinition.addContainer('worker', {
    image: ContainerImage.fromAsset(codeFolder(scope, 'worker'), { platform: Platform.LINUX_ARM64 }),
    // No NODE_OPTIONS: its --max-old-space-size would overrule what each thread is given.
    environment: environmentOf('worker', settings),
    logging: LogDriver.awsLogs({
      streamPrefix: 'worker',
      logGroup: new LogGroup(scope, 'Logs', {
        retention: RetentionDays.ONE_MONTH,
        removalPolicy: it.sizing.removalPolicy,
      }),
    }),
    portMappings: [{ containerPort: httpPort }],
    user: userId,
    readonlyRootFilesystem: true,
    linuxParameters,
    // From SIGTERM to SIGKILL: time to checkpoint. Fargate gives no more.
    stopTimeout: Duration.seconds(120),
    healthCheck: {
      command: ['CMD', 'node', '-e', healthCheck()],
      interval: Duration.seconds(30),
      timeout: Duration.seconds(10),
      retries: 3,
      // The time that reading the snapshots may take.
      startPeriod: Duration.seconds(300),
    },
  });
  taskDefinition.addVolume({ name: 'scratch' });
  container.addMountPoints({ sourceVolume: 'scratch', containerPath: scratchFolder, readOnly: false });
  acknowledgeTask(taskDefinition);
  return taskDefinition;
}

/** Exits with 1 when the worker says that it is stuck, or says nothing. */
function healthCheck(): string {
  return `fetch('http://127.0.0.1:${httpPort}/health').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))`;
}

function createTaskRole(scope: Construct, it: TaskNeighbours): Role {
  const role = new Role(scope, 'Role', { assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com') });
  permit.readStream(role, it.streams.exchange);
  if (it.consumer !== undefined) permit.subscribe(role, it.consumer);
  // Rows that are a stream again cross the exchange a second time.
  if (feedingStepsOf(it.plan).length > 0) permit.putRecords(role, it.streams.exchange);
  permit.keepState(role, it.tables.state);
  permit.shareLeases(role, it.tables.state, it.plan.id);
  permit.writeRows(role, it.tables.results);
  permit.sendDeadLetters(role, it.deadLetters);
  permit.keepSnapshots(role, it.snapshots);
  for (const stream of it.streams.rows.values()) permit.putRecords(role, stream);
  permit.protectTasks(role, it.cluster);
  Validations.of(role).acknowledge({
    id: `AwsSolutions-IAM5[Resource::<${logicalIdOf(it.snapshots)}.Arn>/*]`,
    reason: 'The names of snapshots are made at run time, and the bucket holds nothing but snapshots.',
  });
  if (it.archive !== undefined) {
    permit.writeFiles(role, it.archive);
    Validations.of(role).acknowledge({
      id: `AwsSolutions-IAM5[Resource::<${logicalIdOf(it.archive)}.Arn>/*]`,
      reason:
        "The names of files hold the days and positions of their rows, and the bucket holds nothing but the views' files.",
    });
  }
  Validations.of(role).acknowledge({
    id: `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>:task/<${logicalIdOf(it.cluster)}>/*]`,
    reason: 'A task does not know its name before it runs, and the cluster has no tasks but those of the worker.',
  });
  return role;
}

function acknowledgeTask(taskDefinition: FargateTaskDefinition): void {
  Validations.of(taskDefinition).acknowledge(
    {
      id: 'AwsSolutions-ECS2',
      reason: 'The variables are names of resources and a log level. The worker has no secrets: it uses its role.',
    },
    {
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'ecr:GetAuthorizationToken, with which ECS pulls the image, can be given for all resources only.',
    },
  );
}
