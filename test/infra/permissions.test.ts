import { readFileSync } from 'node:fs';
import type { Template } from 'aws-cdk-lib/assertions';
import { buildSync } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { propertiesOf, templateOf, twoSources } from './synthesized.ts';

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
}

const template = templateOf(twoSources);

/** What the roles of the template may do: every statement, by the role it belongs to. */
function statementsOf(subject: Template): readonly (Statement & { readonly role: string })[] {
  return propertiesOf(subject, 'AWS::IAM::Policy').flatMap((properties) => {
    const { Statement: statements } = properties['PolicyDocument'] as { Statement: readonly Statement[] };
    const [role] = properties['Roles'] as readonly [{ Ref: string }];
    return statements.map((statement) => ({ ...statement, role: role.Ref }));
  });
}

function actionsOf(role: RegExp): readonly string[] {
  const statements = statementsOf(template).filter((statement) => role.test(statement.role));
  return statements.flatMap(({ Action }) => Action).sort();
}

describe('permissions', () => {
  test('no action is a wildcard', () => {
    for (const { Action } of statementsOf(template)) expect([Action].flat().join()).not.toContain('*');
  });

  test('no resource is a wildcard, but for the two that are acknowledged', () => {
    const wide = statementsOf(template).filter(({ Resource }) => JSON.stringify(Resource).includes('*'));
    expect(wide.map(({ Action }) => Action)).toEqual([
      ['s3:DeleteObject', 's3:GetObject', 's3:PutObject'],
      'ecr:GetAuthorizationToken',
    ]);
  });

  test('no role has a managed or an inline policy', () => {
    for (const role of propertiesOf(template, 'AWS::IAM::Role')) {
      expect(role).not.toHaveProperty('ManagedPolicyArns');
      expect(role).not.toHaveProperty('Policies');
    }
  });

  test('the read function can change nothing', () => {
    expect(actionsOf(/^PipelineRead/).filter((action) => /Put|Update|Delete|Write|Send/.test(action))).toEqual([
      'logs:PutLogEvents',
    ]);
  });

  test('the tick can do nothing but put blocks and log', () => {
    expect(actionsOf(/^PipelineTick/)).toEqual(['kinesis:PutRecords', 'logs:CreateLogStream', 'logs:PutLogEvents']);
  });

  test('a preprocess function cannot touch the results, nor another source', () => {
    const resources = statementsOf(template)
      .filter(({ role }) => role.startsWith('PipelinePreprocessclicks'))
      .map(({ Resource }) => JSON.stringify(Resource));
    expect(resources.some((resource) => resource.includes('PipelineRawclicks'))).toBe(true);
    for (const resource of resources) expect(resource).not.toMatch(/PipelineResults|PipelineRawpageviews/);
  });

  test('what the hosts call is allowed to one of them, and what none of them calls to none', () => {
    // The operations whose permission is named differently, and what polling for a function needs.
    const named: Readonly<Record<string, string>> = {
      'sqs:SendMessageBatch': 'sqs:SendMessage',
      's3:ListObjectsV2': 's3:ListBucket',
    };
    const polling = ['DescribeStream', 'DescribeStreamSummary', 'GetRecords', 'GetShardIterator', 'ListShards'];
    const needed = new Set([
      ...calledByHosts().map((call) => named[call] ?? call),
      ...polling.map((action) => `kinesis:${action}`),
    ]);
    const allowed = new Set(actionsOf(/./).filter((action) => /^(dynamodb|kinesis|s3|sqs):/.test(action)));
    expect([...allowed].sort()).toEqual([...needed].sort());
  });
});

/** The operations of AWS in those adapters that end up in a bundle: `sqs:SendMessageBatch`. */
function calledByHosts(): readonly string[] {
  const { metafile } = buildSync({
    entryPoints: ['preprocess', 'aggregate', 'read', 'tick']
      .map((host) => `functions/${host}.ts`)
      .concat('worker/main.ts'),
    outdir: 'build/unwritten',
    write: false,
    bundle: true,
    metafile: true,
    platform: 'node',
    format: 'esm',
    mainFields: ['module', 'main'],
  });
  const bundled = new Set(Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs)));
  return [...bundled].flatMap((path) => {
    const service = /^shared\/adapters\/(dynamodb|kinesis|s3|sqs)\//.exec(path)?.[1];
    if (service === undefined) return [];
    return [...readFileSync(path, 'utf8').matchAll(/new ([A-Z]\w+)Command\(/g)].map(
      (match) => `${service}:${match[1]}`,
    );
  });
}
