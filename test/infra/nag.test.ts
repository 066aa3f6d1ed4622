import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, Stack, Validations } from 'aws-cdk-lib';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { IConstruct } from 'constructs';
import { describe, expect, test } from 'vitest';
import { PipelineStack } from '#infra/pipeline-stack.ts';
import { createApp } from '#infra/synth.ts';
import { pipelines } from '#pipelines/index.ts';

function withApp<T>(use: (app: App) => T): T {
  const outdir = mkdtempSync(join(tmpdir(), 'millrace-nag-'));
  try {
    return use(createApp({ outdir, bundle: false }));
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

function findingsOf(app: App): readonly string[] {
  app.synth();
  const { violations } = new AwsSolutionsChecks(app).validateScope(app);
  return violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map(({ constructPath }) => `${ruleName} ${constructPath}`),
  );
}

/** What is acknowledged, by rule, with its reason. */
function acknowledgementsOf(scope: IConstruct): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const construct of scope.node.findAll()) {
    for (const { type, data } of construct.node.metadata) {
      if (type !== Validations.ACKNOWLEDGED_RULES_METADATA_KEY) continue;
      for (const [id, reason] of Object.entries(data as Record<string, string>)) {
        const rule = id
          .replace(/^annotation::/i, '')
          .replace(/<.*?\.Arn>/, '<bucket>')
          .replace(/arn:.*task\/<.*?>/, '<task>');
        // The CDK acknowledges findings of its own checks by itself.
        if (rule.startsWith('AwsSolutions-')) found.set(rule, reason);
      }
    }
  }
  return found;
}

describe('AwsSolutions', () => {
  for (const pipeline of pipelines) {
    test(`${pipeline.id} has no finding that is not explained`, () => {
      withApp((app) => {
        new PipelineStack(app, { pipeline });
        expect(findingsOf(app)).toEqual([]);
      });
    });
  }

  test('an unexplained finding would be seen', () => {
    withApp((app) => {
      new Queue(new Stack(app, 'Bare'), 'Queue');
      expect(findingsOf(app)).toEqual([
        expect.stringContaining('AwsSolutions-SQS3'),
        expect.stringContaining('AwsSolutions-SQS4'),
      ]);
    });
  });

  test('what is explained is little, and every explanation is a sentence or more', () => {
    withApp((app) => {
      for (const pipeline of pipelines) new PipelineStack(app, { pipeline });
      const acknowledged = acknowledgementsOf(app);
      expect([...acknowledged.keys()].sort()).toEqual([
        'AwsSolutions-ECS2',
        'AwsSolutions-IAM5[Resource::*]',
        'AwsSolutions-IAM5[Resource::<bucket>/*]',
        'AwsSolutions-IAM5[Resource::<task>/*]',
        'AwsSolutions-S1',
        'AwsSolutions-SQS3',
      ]);
      for (const reason of acknowledged.values()) expect(reason).toMatch(/^[A-Za-z].{50,}\.$/);
    });
  });
});
