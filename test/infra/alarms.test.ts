import { App, Duration, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { describe, expect, test } from 'vitest';
import { StreamPipeline } from '#infra/stream-pipeline.ts';
import { fargateOnly, lambdaOnly, propertiesOf, templateOf, twoSources } from './synthesized.ts';

function alarmsOf(template: ReturnType<typeof templateOf>, metric: string): readonly Record<string, unknown>[] {
  return propertiesOf(template, 'AWS::CloudWatch::Alarm').filter((alarm) => alarm['MetricName'] === metric);
}

describe('alarms', () => {
  const template = templateOf(twoSources);

  test('every function that reads a stream has an alarm far below the retention', () => {
    const alarms = alarmsOf(template, 'IteratorAge');
    expect(alarms).toHaveLength(3);
    for (const alarm of alarms) expect(alarm).toMatchObject({ Threshold: 15 * 60_000, Statistic: 'Maximum' });
  });

  test('every stream has one for its slowest reader, and silence is one', () => {
    const alarms = alarmsOf(template, 'GetRecords.IteratorAgeMilliseconds');
    expect(alarms).toHaveLength(3);
    for (const alarm of alarms) expect(alarm).toMatchObject({ Threshold: 15 * 60_000, TreatMissingData: 'breaching' });
  });

  test('an alarm that would come too late to act is refused', () => {
    expect(() => templateOf(lambdaOnly, { lagMax: Duration.hours(19) })).toThrow('SETTING_INVALID');
    expect(() => templateOf(lambdaOnly, { lagMax: Duration.hours(18) })).not.toThrow();
  });

  test('every function has alarms for errors and throttles', () => {
    const functions = Object.keys(template.findResources('AWS::Lambda::Function')).sort();
    for (const metric of ['Errors', 'Throttles']) {
      const watched = alarmsOf(template, metric).map(
        (alarm) => (alarm['Dimensions'] as [{ Value: { Ref: string } }])[0].Value.Ref,
      );
      expect(watched.sort()).toEqual(functions);
    }
  });

  test('a single dead letter is an alarm', () => {
    expect(alarmsOf(template, 'ApproximateNumberOfMessagesVisible')).toMatchObject([
      { Threshold: 1, EvaluationPeriods: 1 },
    ]);
  });

  test('a worker that does not run is an alarm, also when nothing is heard of it', () => {
    expect(alarmsOf(templateOf(fargateOnly), 'RunningTaskCount')).toMatchObject([
      { Threshold: 1, ComparisonOperator: 'LessThanThreshold', TreatMissingData: 'breaching' },
    ]);
    expect(alarmsOf(templateOf(lambdaOnly), 'RunningTaskCount')).toEqual([]);
  });

  test('a topic is told of every alarm and of its end', () => {
    const stack = new Stack(new App({ context: { 'aws:cdk:bundling-stacks': [] } }), 'WithTopic');
    new StreamPipeline(stack, 'Pipeline', { pipeline: lambdaOnly, alarmTopic: new Topic(stack, 'Topic') });
    for (const alarm of propertiesOf(Template.fromStack(stack), 'AWS::CloudWatch::Alarm')) {
      expect(alarm['AlarmActions']).toEqual([{ Ref: expect.stringMatching(/^Topic/) }]);
      expect(alarm['OKActions']).toEqual(alarm['AlarmActions']);
    }
  });
});
