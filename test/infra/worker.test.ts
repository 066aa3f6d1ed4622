import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { WorkerProps } from '#infra/props.ts';
import { exchangeConsumer, hostSettings, settingNames } from '#shared/schemas/settings.ts';
import { fargateOnly, lambdaOnly, propertiesOf, templateOf } from './synthesized.ts';

const template = templateOf(fargateOnly);
const [task = {}] = propertiesOf(template, 'AWS::ECS::TaskDefinition');
const [container = {}] = task['ContainerDefinitions'] as readonly Record<string, unknown>[];
const [service = {}] = propertiesOf(template, 'AWS::ECS::Service');

describe('worker', () => {
  test('a plan without steps on Fargate has no worker and no network', () => {
    const without = templateOf(lambdaOnly);
    for (const type of ['AWS::ECS::Service', 'AWS::ECS::TaskDefinition', 'AWS::EC2::VPC', 'AWS::EC2::VPCEndpoint']) {
      without.resourceCountIs(type, 0);
      expect(Object.keys(template.findResources(type)).length).toBeGreaterThan(0);
    }
  });

  test('only /tmp can be written', () => {
    expect(container['ReadonlyRootFilesystem']).toBe(true);
    expect(container['MountPoints']).toEqual([{ SourceVolume: 'scratch', ContainerPath: '/tmp', ReadOnly: false }]);
    expect(task['Volumes']).toEqual([{ Name: 'scratch' }]);
  });

  test("state that its memory has no room for lies on the task's disk", () => {
    const sized = templateOf(fargateOnly, { worker: { memoryMiB: 4_096, diskGiB: 100 } });
    const [larger = {}] = propertiesOf(sized, 'AWS::ECS::TaskDefinition');
    expect([task['EphemeralStorage'], larger['EphemeralStorage']]).toEqual([{ SizeInGiB: 21 }, { SizeInGiB: 100 }]);
    expect(() => templateOf(fargateOnly, { worker: { diskGiB: 20 } })).toThrow(/SETTING_INVALID.*worker\.diskGiB/);
  });

  test('it is not root, has no capabilities, and is the user that the image names', () => {
    expect(container['User']).toBe('10001:10001');
    expect(container['LinuxParameters']).toEqual({ Capabilities: { Drop: ['ALL'] } });
    expect(readFileSync('worker/Dockerfile', 'utf8')).toContain(`\nUSER ${container['User']}\n`);
  });

  test('it has 120 seconds to checkpoint after SIGTERM, and gets the signal itself', () => {
    expect(container['StopTimeout']).toBe(120);
    expect(readFileSync('worker/Dockerfile', 'utf8')).toMatch(/\nCMD \["node", /);
  });

  test('it is stopped when it says that it is stuck', () => {
    expect(container['HealthCheck']).toMatchObject({
      Command: ['CMD', 'node', '-e', expect.stringContaining("fetch('http://127.0.0.1:8080/health')")],
      Interval: 30,
      Retries: 3,
    });
  });

  test('its health and metrics are served on a port of the container that nothing outside may reach', () => {
    expect(container['PortMappings']).toEqual([{ ContainerPort: 8080, Protocol: 'tcp' }]);
    expect(container['Environment']).toContainEqual({ Name: 'HTTP_ADDRESS', Value: '0.0.0.0:8080' });
  });

  test('tasks hand over to each other, so a deployment leaves no gap', () => {
    expect(service).toMatchObject({
      DesiredCount: 1,
      AvailabilityZoneRebalancing: 'ENABLED',
      DeploymentConfiguration: {
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
    });
  });

  test('it runs on ARM, with a thread for each vCPU, and is told how much memory they may share', () => {
    expect(task['RuntimePlatform']).toEqual({ CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' });
    expect(environmentWith({})).toMatchObject({ WORKER_THREADS: '1', MEMORY_MB: '2048' });
    expect(environmentWith({ cpuUnits: 512 })).toMatchObject({ WORKER_THREADS: '1' });
    expect(environmentWith({ cpuUnits: 4_096, memoryMiB: 8_192 })).toMatchObject({
      WORKER_THREADS: '4',
      MEMORY_MB: '8192',
    });
    expect(environmentWith({ cpuUnits: 4_096, memoryMiB: 8_192, threads: 2 })).toMatchObject({ WORKER_THREADS: '2' });
  });

  test('it may keep itself from being stopped, and no task of another cluster', () => {
    expect(JSON.stringify(propertiesOf(template, 'AWS::IAM::Policy'))).toContain(
      '"Action":["ecs:GetTaskProtection","ecs:UpdateTaskProtection"],"Effect":"Allow","Resource":{"Fn::Join":["",["arn:",{"Ref":"AWS::Partition"},":ecs:",{"Ref":"AWS::Region"},":",{"Ref":"AWS::AccountId"},":task/",{"Ref":"PipelineWorkerCluster',
    );
  });

  test('it is given exactly its settings', () => {
    const names = (container['Environment'] as readonly { Name: string }[]).map(({ Name }) => Name);
    const wanted = hostSettings.worker.map((setting) => settingNames[setting]);
    expect(names.sort()).toEqual(wanted.sort());
  });
});

/** The worker's environment with these props. */
function environmentWith(worker: WorkerProps): Readonly<Record<string, string>> {
  const [{ ContainerDefinitions = [] } = {}] = propertiesOf(
    templateOf(fargateOnly, { worker }),
    'AWS::ECS::TaskDefinition',
  );
  const [{ Environment = [] } = {}] = ContainerDefinitions as readonly {
    readonly Environment: readonly { readonly Name: string; readonly Value: string }[];
  }[];
  return Object.fromEntries(Environment.map(({ Name, Value }) => [Name, Value]));
}

describe('scaling', () => {
  const scaled = templateOf(fargateOnly, { exchangeShards: 8, worker: { tasks: 2, threads: 2 } });

  test('a service is scaled as far as there are shards for its threads', () => {
    expect(propertiesOf(scaled, 'AWS::ApplicationAutoScaling::ScalableTarget')).toMatchObject([
      { MinCapacity: 2, MaxCapacity: 4, ScalableDimension: 'ecs:service:DesiredCount', ServiceNamespace: 'ecs' },
    ]);
    // A deployment would set it back.
    expect(propertiesOf(scaled, 'AWS::ECS::Service')[0]).not.toHaveProperty('DesiredCount');
  });

  test('it is scaled on the drain load of its workers, which is not low while one of them is behind', () => {
    const [policy] = propertiesOf(scaled, 'AWS::ApplicationAutoScaling::ScalingPolicy');
    const dimensions = [
      { Name: 'pipeline', Value: 'fargate-only' },
      { Name: 'stage', Value: 'window' },
      { Name: 'placement', Value: 'fargate' },
    ];
    const metric = (name: string) => ({ Namespace: 'Millrace', MetricName: name, Dimensions: dimensions });
    expect(policy?.['TargetTrackingScalingPolicyConfiguration']).toMatchObject({
      TargetValue: 0.7,
      CustomizedMetricSpecification: {
        Metrics: [
          { Id: 'load', MetricStat: { Metric: metric('drain_load'), Stat: 'Average' }, ReturnData: false },
          { Id: 'behind', MetricStat: { Metric: metric('millis_behind_latest'), Stat: 'Maximum' }, ReturnData: false },
          { Expression: 'IF(behind >= 10000 AND load < 0.7, 0.7, load)', ReturnData: true },
        ],
      },
    });
  });

  test('where no more tasks would have a shard, or are wanted, none is scaled and no alarm paid for', () => {
    template.resourceCountIs('AWS::ApplicationAutoScaling::ScalableTarget', 0);
    const fixed = templateOf(fargateOnly, { exchangeShards: 8, worker: { tasks: 3, tasksMax: 3 } });
    fixed.resourceCountIs('AWS::ApplicationAutoScaling::ScalableTarget', 0);
    expect(propertiesOf(fixed, 'AWS::ECS::Service')).toMatchObject([{ DesiredCount: 3 }]);
  });

  test.each([{ tasks: 3, tasksMax: 2 }, { threads: 0 }, { drainSeconds: 59 }])('%o is refused', (worker) => {
    expect(() => templateOf(fargateOnly, { worker })).toThrow(/SETTING_INVALID/);
  });
});

describe('reading', () => {
  test('is polling unless it is told otherwise, and then there is no consumer to pay for', () => {
    expect(container['Environment']).toContainEqual({ Name: 'EXCHANGE_READING', Value: 'polling' });
    template.resourceCountIs('AWS::Kinesis::StreamConsumer', 0);
    expect(JSON.stringify(propertiesOf(template, 'AWS::IAM::Policy'))).not.toContain('StreamConsumer');
  });

  test('by fan-out has its consumer, which is there before the worker that would register one', () => {
    const pushed = templateOf(fargateOnly, { worker: { reading: 'fan-out' } });
    const [{ ContainerDefinitions = [] } = {}] = propertiesOf(pushed, 'AWS::ECS::TaskDefinition');
    expect(ContainerDefinitions).toMatchObject([
      { Environment: expect.arrayContaining([{ Name: 'EXCHANGE_READING', Value: 'fan-out' }]) },
    ]);
    const [[consumerId = '', consumer] = []] = Object.entries(pushed.findResources('AWS::Kinesis::StreamConsumer'));
    expect(consumer?.['Properties']).toMatchObject({ ConsumerName: exchangeConsumer });
    const [resource] = Object.values(pushed.findResources('AWS::ECS::Service'));
    expect(resource?.['DependsOn']).toContain(consumerId);
    const statements = propertiesOf(pushed, 'AWS::IAM::Policy').flatMap(
      ({ PolicyDocument }) => (PolicyDocument as { Statement: readonly Record<string, unknown>[] }).Statement,
    );
    expect(statements).toContainEqual({
      Effect: 'Allow',
      Action: ['kinesis:DescribeStreamConsumer', 'kinesis:SubscribeToShard'],
      Resource: { 'Fn::GetAtt': [consumerId, 'ConsumerARN'] },
    });
  });
});

describe('network', () => {
  test('there is no way to the internet', () => {
    for (const type of ['AWS::EC2::NatGateway', 'AWS::EC2::InternetGateway', 'AWS::EC2::EIP', 'AWS::EC2::Route']) {
      template.resourceCountIs(type, 0);
    }
    expect(service).toMatchObject({ NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: 'DISABLED' } } });
  });

  test('there is an endpoint for each service that the worker and its start need', () => {
    const endpoints = propertiesOf(template, 'AWS::EC2::VPCEndpoint');
    const names = (type: string) =>
      endpoints
        .filter((endpoint) => endpoint['VpcEndpointType'] === type)
        .map((endpoint) => JSON.stringify(endpoint['ServiceName']))
        .map((name) => /\.(s3|dynamodb|kinesis-streams|sqs|logs|ecr\.api|ecr\.dkr)"/.exec(name)?.[1])
        .sort();
    expect(names('Gateway')).toEqual(['dynamodb', 's3']);
    expect(names('Interface')).toEqual(['ecr.api', 'ecr.dkr', 'kinesis-streams', 'logs', 'sqs']);
  });

  test('an endpoint can be reached by the worker only, over TLS only', () => {
    const rules = propertiesOf(template, 'AWS::EC2::SecurityGroupIngress');
    expect(rules).toHaveLength(5);
    for (const rule of rules) {
      expect(rule).toMatchObject({
        FromPort: 443,
        ToPort: 443,
        SourceSecurityGroupId: { 'Fn::GetAtt': [expect.stringMatching(/WorkerSecurityGroup/), 'GroupId'] },
      });
    }
    for (const group of propertiesOf(template, 'AWS::EC2::SecurityGroup')) {
      expect(group).not.toHaveProperty('SecurityGroupIngress');
    }
  });

  test('the worker is started after its network', () => {
    const [resource] = Object.values(template.findResources('AWS::ECS::Service'));
    const endpoints = Object.keys(template.findResources('AWS::EC2::VPCEndpoint'));
    expect(resource?.['DependsOn']).toEqual(expect.arrayContaining(endpoints));
  });

  test('zones are found at deployment, so no account is asked at synth', () => {
    for (const subnet of propertiesOf(template, 'AWS::EC2::Subnet')) {
      expect(subnet['AvailabilityZone']).toEqual({ 'Fn::Select': [expect.any(Number), { 'Fn::GetAZs': '' }] });
    }
  });
});
