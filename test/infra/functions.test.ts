import { Duration } from 'aws-cdk-lib';
import { describe, expect, test } from 'vitest';
import { hostSettings, settingNames } from '#shared/schemas/settings.ts';
import { environmentOf, fargateOnly, lambdaOnly, propertiesOf, templateOf, twoSources } from './synthesized.ts';

const functionType = 'AWS::Lambda::Function';
const mappingType = 'AWS::Lambda::EventSourceMapping';

describe('event source mappings', () => {
  const mappings = propertiesOf(templateOf(twoSources), mappingType);

  test('no mapping gives up on a record: retries and age are unlimited', () => {
    expect(mappings).toHaveLength(3);
    for (const mapping of mappings) {
      expect(mapping).not.toHaveProperty('MaximumRetryAttempts');
      expect(mapping).not.toHaveProperty('MaximumRecordAgeInSeconds');
    }
  });

  test('no mapping puts a batch aside or filters records', () => {
    for (const mapping of mappings) {
      expect(mapping).not.toHaveProperty('DestinationConfig');
      expect(mapping).not.toHaveProperty('FilterCriteria');
    }
  });

  test('one batch of a shard is in flight at a time', () => {
    for (const mapping of mappings) expect(mapping['ParallelizationFactor']).toBe(1);
  });

  test('a failed batch is cut in two, or continued where it failed', () => {
    for (const mapping of mappings) {
      expect(mapping['BisectBatchOnFunctionError']).toBe(true);
      expect(mapping['FunctionResponseTypes']).toEqual(['ReportBatchItemFailures']);
    }
  });

  test('every stream is read from its beginning', () => {
    for (const mapping of mappings) expect(mapping['StartingPosition']).toBe('TRIM_HORIZON');
  });

  test('raw streams come in batches of 1,000 records, the exchange in batches of 100 blocks', () => {
    expect(mappings.map((mapping) => mapping['BatchSize'])).toEqual([1_000, 1_000, 100]);
    for (const mapping of mappings) expect(mapping['MaximumBatchingWindowInSeconds']).toBe(1);
  });

  test('batches can be sized', () => {
    const aggregate = { size: 500, window: Duration.seconds(5) };
    const sized = propertiesOf(templateOf(lambdaOnly, { aggregate }), mappingType);
    expect(sized[1]).toMatchObject({ BatchSize: 500, MaximumBatchingWindowInSeconds: 5 });
    expect(() => templateOf(lambdaOnly, { aggregate: { size: 10_001 } })).toThrow('SETTING_INVALID');
  });
});

describe('functions', () => {
  const countOf = (template: ReturnType<typeof templateOf>, prefix: string): number =>
    Object.keys(template.findResources(functionType)).filter((id) => id.startsWith(prefix)).length;

  test('every source has a preprocess function of its own', () => {
    expect(countOf(templateOf(twoSources), 'PipelinePreprocess')).toBe(2);
  });

  test('a plan without steps on Lambda has no aggregate function', () => {
    expect(countOf(templateOf(lambdaOnly), 'PipelineAggregate')).toBe(1);
    expect(countOf(templateOf(fargateOnly), 'PipelineAggregate')).toBe(0);
  });

  test('every function runs on Node 24, on ARM, with a log group that forgets', () => {
    const template = templateOf(twoSources);
    for (const properties of propertiesOf(template, functionType)) {
      expect(properties).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'] });
      expect(properties).toHaveProperty('LoggingConfig.LogGroup');
    }
    for (const group of propertiesOf(template, 'AWS::Logs::LogGroup')) expect(group['RetentionInDays']).toBe(30);
  });

  test('no two functions share a role', () => {
    const roles = propertiesOf(templateOf(twoSources), functionType).map(({ Role }) => JSON.stringify(Role));
    expect(new Set(roles).size).toBe(roles.length);
  });

  test('each host is given exactly its settings', () => {
    const template = templateOf(twoSources);
    for (const [host, prefix] of [
      ['preprocess', 'PipelinePreprocessclicks'],
      ['aggregate', 'PipelineAggregate'],
      ['read', 'PipelineRead'],
      ['tick', 'PipelineTick'],
    ] as const) {
      const names = hostSettings[host].map((setting) => settingNames[setting]);
      expect(Object.keys(environmentOf(template, prefix)).sort()).toEqual([...names, 'NODE_OPTIONS'].sort());
    }
  });

  test('a preprocess function is told its own source, and the plan it was deployed with', () => {
    const template = templateOf(twoSources);
    expect(environmentOf(template, 'PipelinePreprocesspageviews')).toMatchObject({
      PIPELINE: 'two-sources',
      PLAN_HASH: twoSources.planHash,
      SOURCE: 'page-views',
      RAW_STREAM: { Ref: expect.stringMatching(/^PipelineRawpageviews/) },
    });
  });

  test('only signed requests reach the read API', () => {
    const template = templateOf(lambdaOnly);
    template.allResourcesProperties('AWS::Lambda::Url', { AuthType: 'AWS_IAM' });
    template.resourceCountIs('AWS::Lambda::Url', 1);
  });

  test('a tick is made every minute, and an old one never', () => {
    const [rule] = propertiesOf(templateOf(lambdaOnly), 'AWS::Events::Rule');
    expect(rule).toMatchObject({
      ScheduleExpression: 'rate(1 minute)',
      State: 'ENABLED',
      Targets: [{ RetryPolicy: { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 } }],
    });
  });
});
