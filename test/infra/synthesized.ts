import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import * as z from 'zod';
import type { StreamPipelineProps } from '#infra/props.ts';
import { synthesize } from '#infra/synth.ts';
import {
  count,
  days,
  dynamodb,
  kinesis,
  lookupTable,
  minutes,
  pipeline,
  s3,
  seconds,
  session,
  stream,
  tumbling,
} from '#shared/pipeline/index.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';

const schema = z.object({ at: z.number(), name: z.string() });

function source(name: string) {
  return stream(name, { schema, timestamp: (record) => record.at, outOfOrderness: seconds(1) }).keyBy((record) => ({
    name: record.name,
  }));
}

const perMinute = source('clicks')
  .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
  .aggregate('per-minute', { clicks: count() })
  .to(dynamodb({ ttl: days(1) }));

const visits = source('page-views')
  .window(session({ gap: minutes(30) }), { allowedLateness: seconds(0), emit: 'on-close' })
  .aggregate('visits', { pages: count() });
const keptVisits = visits.to(dynamodb({ ttl: days(1) }));
const visitSizes = visits
  .asStream()
  .keyBy((visit) => ({ pages: visit.pages }))
  .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
  .aggregate('visit-sizes', { visits: count() })
  .to(dynamodb({ ttl: days(1) }));

/** A plan with steps on Lambda only. */
export const lambdaOnly = pipeline('lambda-only', [perMinute]);
/** A plan with steps on Fargate only. */
export const fargateOnly = pipeline('fargate-only', [keptVisits]);
/** A plan with two sources, and steps on both. */
export const twoSources = pipeline('two-sources', [perMinute, keptVisits], { slots: 4 });
/** A plan with every sink, and a step that reads the rows of another. */
export const everySink = pipeline(
  'every-sink',
  [perMinute, visits.to(dynamodb({ ttl: days(1) }), s3({ format: 'parquet' }), kinesis()), visitSizes],
  { slots: 4 },
);

const users = lookupTable('users', {
  key: { name: 'string' },
  schema: z.object({ name: z.string(), plan: z.string() }),
});
/** A plan whose records are looked up. */
export const enriched = pipeline('enriched', [
  stream('clicks', { schema, timestamp: (record) => record.at, outOfOrderness: seconds(1) })
    .enrich(users, { key: ({ name }) => ({ name }), freshness: minutes(5) }, (_, user) => ({ plan: user?.plan ?? '' }))
    .keyBy(({ plan }) => ({ plan }))
    .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
    .aggregate('per-plan', { clicks: count() })
    .to(dynamodb({ ttl: days(1) })),
]);

/** The template of a pipeline, without bundles. */
export function templateOf(subject: Pipeline, props: Omit<StreamPipelineProps, 'pipeline'> = {}): Template {
  const outdir = mkdtempSync(join(tmpdir(), 'millrace-infra-'));
  try {
    return Template.fromJSON({ ...synthesize({ pipeline: subject, outdir, bundle: false, props }).template });
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

/** The properties of all resources of a type. */
export function propertiesOf(template: Template, type: string): readonly Record<string, unknown>[] {
  return Object.values(template.findResources(type)).map((resource) => resource['Properties']);
}

/** The environment of the function whose logical id begins with `prefix`. */
export function environmentOf(template: Template, prefix: string): Record<string, unknown> {
  const found = Object.entries(template.findResources('AWS::Lambda::Function')).find(([id]) => id.startsWith(prefix));
  return found?.[1]['Properties'].Environment.Variables ?? {};
}
