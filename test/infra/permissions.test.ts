import { readFileSync } from 'node:fs';
import type { Template } from 'aws-cdk-lib/assertions';
import { buildSync } from 'esbuild';
import { describe, expect, test } from 'vitest';
import type { HostName } from '#shared/schemas/settings.ts';
import { enriched, everySink, fargateOnly, propertiesOf, templateOf } from './synthesized.ts';

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
}

// With all that a host may need: by fan-out, the worker needs more.
const template = templateOf(everySink, { worker: { reading: 'fan-out' } });

/** What the roles of the template may do: every statement, by the role it belongs to. */
function statementsOf(subject: Template): readonly (Statement & { readonly role: string })[] {
  return propertiesOf(subject, 'AWS::IAM::Policy').flatMap((properties) => {
    const { Statement: statements } = properties['PolicyDocument'] as { Statement: readonly Statement[] };
    const [role] = properties['Roles'] as readonly [{ Ref: string }];
    return statements.map((statement) => ({ ...statement, role: role.Ref }));
  });
}

function actionsOf(role: RegExp, subject = template): readonly string[] {
  const statements = statementsOf(subject).filter((statement) => role.test(statement.role));
  return statements.flatMap(({ Action }) => Action).sort();
}

describe('permissions', () => {
  test('no action is a wildcard', () => {
    for (const { Action } of statementsOf(template)) expect([Action].flat().join()).not.toContain('*');
  });

  test('no resource is a wildcard, but for the three that are acknowledged', () => {
    const wide = statementsOf(template).filter(({ Resource }) => JSON.stringify(Resource).includes('*'));
    expect(wide.map(({ Action }) => Action)).toEqual([
      ['s3:DeleteObject', 's3:GetObject', 's3:PutObject'],
      ['ecs:GetTaskProtection', 'ecs:UpdateTaskProtection'],
      's3:PutObject',
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

  test('a worker whose rows nobody reads puts nothing on the exchange', () => {
    expect(actionsOf(roleOf.worker)).toContain('kinesis:PutRecords');
    expect(actionsOf(roleOf.worker, templateOf(fargateOnly))).not.toContain('kinesis:PutRecords');
  });

  test('a function whose records are looked up may read that table in batches, and nothing else of it', () => {
    const ofTable = (subject: Template) =>
      statementsOf(subject).filter(({ Resource }) => JSON.stringify(Resource).includes(':table/users'));
    expect(ofTable(templateOf(enriched)).map(({ role, Action }) => [role.slice(0, 24), Action])).toEqual([
      ['PipelinePreprocessclicks', 'dynamodb:BatchGetItem'],
    ]);
    expect(ofTable(template)).toEqual([]);
  });

  test('every host that writes may do all that its adapters call', () => {
    for (const host of ['preprocess', 'aggregate', 'tick', 'worker'] as const) {
      expect(actionsOf(roleOf[host]), host).toEqual(expect.arrayContaining([...calledBy(host)]));
    }
  });

  test('nothing is allowed that no host calls, but for what polling for a function and telling a missing blob take', () => {
    const called = Object.keys(roleOf).flatMap((host) => [...calledBy(host as HostName)]);
    const polling = ['kinesis:DescribeStream', 'kinesis:DescribeStreamSummary', 'kinesis:SubscribeToShard'];
    // Without it a snapshot that is not there is AccessDenied instead of NoSuchKey:
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    const telling = ['s3:ListBucket'];
    const allowed = actionsOf(/./).filter((action) => /^(dynamodb|kinesis|s3|sqs):/.test(action));
    expect([...new Set(allowed)].sort()).toEqual([...new Set([...called, ...polling, ...telling])].sort());
  });
});

const roleOf: Readonly<Record<HostName, RegExp>> = {
  preprocess: /^PipelinePreprocessclicksRole/,
  aggregate: /^PipelineAggregateRole/,
  read: /^PipelineReadRole/,
  tick: /^PipelineTickRole/,
  worker: /^PipelineWorkerRole/,
};

/** The operations whose permission is named differently. */
const permissionOf: Readonly<Record<string, string>> = {
  'sqs:SendMessageBatch': 'sqs:SendMessage',
  's3:ListObjectsV2': 's3:ListBucket',
};

/** The permissions for the operations of AWS in those adapters that end up in a host's bundle: `sqs:SendMessage`. */
function calledBy(host: HostName): ReadonlySet<string> {
  const { metafile } = buildSync({
    entryPoints: [host === 'worker' ? 'worker/main.ts' : `functions/${host}.ts`],
    outdir: 'build/unwritten',
    write: false,
    bundle: true,
    metafile: true,
    platform: 'node',
    format: 'esm',
    mainFields: ['module', 'main'],
  });
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const bundled = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path);
  const calls = bundled.flatMap((path) => {
    const service = /^shared\/adapters\/(dynamodb|kinesis|s3|sqs)\//.exec(path)?.[1];
    if (service === undefined) return [];
    const operations = readFileSync(path, 'utf8').matchAll(/new ([A-Z]\w+)Command\(/g);
    return [...operations].map(([, operation]) => `${service}:${operation}`);
  });
  return new Set(calls.map((call) => permissionOf[call] ?? call));
}
