import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { root } from '#infra/root.ts';
import { synthesize } from '#infra/synth.ts';
import { flow } from '#pipelines/flow.ts';
import { pipelines } from '#pipelines/index.ts';
import { traffic } from '#pipelines/traffic.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-synth-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the app as `cdk synth` does, without bundling. Gives the templates by stack. */
function runApp(name: string, context: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  const cdk = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as { context: Record<string, unknown> };
  const outdir = join(folder, name);
  execFileSync(process.execPath, ['infra/app.ts'], {
    cwd: root,
    stdio: 'pipe',
    env: {
      ...process.env,
      CDK_OUTDIR: outdir,
      CDK_CONTEXT_JSON: JSON.stringify({ ...cdk.context, 'aws:cdk:bundling-stacks': [], ...context }),
    },
  });
  const templates = readdirSync(outdir).filter((file) => file.endsWith('.template.json'));
  return Object.fromEntries(
    templates.map((file) => [file.replace('.template.json', ''), JSON.parse(readFileSync(join(outdir, file), 'utf8'))]),
  );
}

describe('the CDK app', () => {
  test('makes a stack for each pipeline, the same as the one made in process', () => {
    const stacks = runApp('all');
    expect(Object.keys(stacks).sort()).toEqual(pipelines.map(({ id }) => `millrace-${id}`).sort());
    for (const pipeline of pipelines) {
      const { stackName, template } = synthesize({ pipeline, outdir: join(folder, pipeline.id), bundle: false });
      expect(stacks[stackName]).toEqual(template);
    }
  });

  test('makes only the pipeline that was picked', () => {
    expect(Object.keys(runApp('picked', { pipeline: 'flow' }))).toEqual(['millrace-flow']);
  });

  test('refuses a pipeline that it does not know', () => {
    expect(() => runApp('unknown', { pipeline: 'nope' })).toThrow(/^.*\nmillrace: PIPELINE_UNKNOWN: .*nope.*\n$/);
  });
});

describe('synthesize', () => {
  test('bundles every host of the template, and Node can read each bundle', () => {
    const { template, directory, codeDirectories } = synthesize({
      pipeline: traffic,
      outdir: join(folder, 'bundled'),
      bundle: true,
    });
    expect(directory).toBe(join(folder, 'bundled'));
    expect(codeDirectories.size).toBe(5);
    for (const [id, code] of codeDirectories) {
      const isWorker = template.Resources[id]?.Type === 'AWS::ECS::TaskDefinition';
      execFileSync(process.execPath, ['--check', join(code, isWorker ? 'main.mjs' : 'index.mjs')], { stdio: 'pipe' });
      expect(existsSync(join(code, 'Dockerfile'))).toBe(isWorker);
    }
  });

  test('bundles hold no path of the machine that made them', () => {
    const { codeDirectories } = synthesize({ pipeline: flow, outdir: join(folder, 'paths'), bundle: true });
    for (const code of codeDirectories.values()) {
      for (const file of readdirSync(code)) expect(readFileSync(join(code, file), 'utf8').includes(root)).toBe(false);
    }
  });

  test('outputs say where data goes in and results come out', () => {
    const { template } = synthesize({ pipeline: traffic, outdir: join(folder, 'outputs'), bundle: false });
    expect(Object.keys(template.Outputs)).toEqual([
      'RawStreamRequestsName',
      'RawStreamRequestsArn',
      'ExchangeStreamName',
      'ExchangeStreamArn',
      'StateTableName',
      'StateTableArn',
      'ResultsTableName',
      'ResultsTableArn',
      'DeadLetterQueueUrl',
      'ReadUrl',
      'SnapshotBucketName',
    ]);
  });
});
