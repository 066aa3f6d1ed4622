import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import {
  type AnyOutput,
  count,
  csv,
  days,
  dynamodb,
  hours,
  json,
  milliseconds,
  minutes,
  type Pipeline,
  type PipelineOptions,
  pipeline,
  quantile,
  ratio,
  seconds,
  session,
  shareOfTotal,
  sliding,
  stream,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { inputIdsOf } from '#shared/pipeline/plan.ts';
import { canonicalJson, hashPlan } from '#shared/pipeline/plan-hash.ts';
import type { WindowOptions } from '#shared/pipeline/window-options.ts';

const schema = z.object({ at: z.number(), key: z.string(), bytes: z.number() });
type Click = z.infer<typeof schema>;
type SourceOptions = Parameters<typeof stream<typeof schema>>[1];

const sourceOptions: SourceOptions = {
  schema,
  timestamp: (click) => click.at,
  outOfOrderness: seconds(1),
  idleAfter: minutes(2),
};

/** The usual branch, with what a test wants to be different. */
function branch(
  change: {
    readonly source?: Partial<SourceOptions>;
    readonly sourceName?: string;
    readonly name?: string;
    readonly size?: Parameters<typeof tumbling>[0];
    readonly options?: Partial<WindowOptions>;
    readonly aggregates?: Readonly<Record<string, ReturnType<typeof sum<Click>> | ReturnType<typeof count<Click>>>>;
    readonly ttl?: Parameters<typeof tumbling>[0];
  } = {},
): AnyOutput {
  return clicks(change.source, change.sourceName)
    .keyBy((click) => ({ key: click.key }))
    .window(tumbling(change.size ?? minutes(1)), { allowedLateness: seconds(0), ...change.options })
    .aggregate(
      change.name ?? 'by-key',
      change.aggregates ?? { clicks: count<Click>(), bytes: sum((click: Click) => click.bytes) },
    )
    .to(dynamodb({ ttl: change.ttl ?? days(1) }));
}

function clicks(change: Partial<SourceOptions> = {}, name = 'clicks') {
  return stream(name, { ...sourceOptions, ...change });
}

function planned(output: AnyOutput, options?: PipelineOptions): Pipeline {
  return pipeline('test', [output], options);
}

describe('the plan', () => {
  test('is JSON: nothing of it is lost on the wire', () => {
    const { plan } = planned(branch());
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  test('is the same when the same pipeline is defined again', () => {
    expect(planned(branch()).plan).toEqual(planned(branch()).plan);
  });

  test('lists every node after its input', () => {
    const source = clicks().filter((click) => click.bytes > 0);
    const { plan } = pipeline('test', [
      visits(source, 'a'),
      visits(
        source.map((click) => click),
        'b',
      ),
    ]);
    const seen = new Set<string>();
    for (const node of plan.nodes) {
      for (const input of inputIdsOf(node)) expect(seen).toContain(input);
      seen.add(node.id);
    }
  });

  test('has a shared prefix once', () => {
    const kept = clicks().filter((click) => click.bytes > 0);
    const { plan } = pipeline('test', [visits(kept, 'a'), visits(kept, 'b')]);
    expect(plan.nodes.filter((node) => node.op === 'filter')).toHaveLength(1);
  });

  test('has a keyBy that two steps use once, so that its records cross the exchange once', () => {
    const keyed = clicks().keyBy((click) => ({ key: click.key }));
    const step = (name: string): AnyOutput =>
      keyed
        .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
        .aggregate(name, { n: count() })
        .to(sink);
    const { plan } = pipeline('test', [step('a'), step('b')]);
    expect(plan.nodes.filter((node) => node.op === 'key')).toHaveLength(1);
  });

  test('tells two filters of one stream apart, though their texts are the same', () => {
    const source = clicks();
    const kept = () => source.filter((click) => click.bytes > 0);
    const { plan } = pipeline('test', [visits(kept(), 'a'), visits(kept(), 'b')]);
    expect(plan.nodes.filter((node) => node.op === 'filter').map((node) => node.id)).toEqual([
      'clicks/filter',
      'clicks/filter-2',
    ]);
  });

  test('has a binding for every node and no other', () => {
    const made = planned(branch());
    expect([...made.bindings.keys()]).toEqual(made.plan.nodes.map((node) => node.id));
  });

  test('leaves out an idleAfter that was not given', () => {
    const { idleAfter: _, ...without } = sourceOptions;
    const output = stream('clicks', without)
      .keyBy((click) => ({ key: click.key }))
      .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
      .aggregate('by-key', { n: count() })
      .to(sink);
    expect(Object.keys(planned(output).plan.nodes[0] ?? {})).toEqual(['op', 'id', 'formats', 'outOfOrdernessMs']);
  });

  test('keeps a source that was defined twice with one name apart by refusing it', () => {
    expect(() => pipeline('test', [branch({ name: 'a' }), branch({ name: 'b' })])).toThrow(
      /has the name of another stream/,
    );
  });
});

const sink = dynamodb({ ttl: days(1) });

function visits(source: ReturnType<ReturnType<typeof clicks>['filter']>, name: string): AnyOutput {
  return source
    .keyBy((click) => ({ key: click.key }))
    .window(session({ gap: minutes(1) }), { allowedLateness: seconds(0) })
    .aggregate(name, { n: count() })
    .to(sink);
}

describe('the plan hash', () => {
  const usual = planned(branch()).planHash;
  const bytes = sum((click: Click) => click.bytes);
  const different: readonly (readonly [what: string, made: () => Pipeline])[] = [
    ['the id of the pipeline', () => pipeline('other', [branch()])],
    ['the number of slots', () => planned(branch(), { slots: 32 })],
    ['the number of key groups', () => planned(branch(), { expectedKeys: 1_000_000 })],
    ['the name of the stream', () => planned(branch({ sourceName: 'others' }))],
    ['outOfOrderness', () => planned(branch({ source: { outOfOrderness: seconds(2) } }))],
    ['idleAfter', () => planned(branch({ source: { idleAfter: minutes(3) } }))],
    ['the formats', () => planned(branch({ source: { decode: csv({ columns: { at: 'number' } }) } }))],
    [
      'the order of the formats',
      () => planned(branch({ source: { decode: [csv({ columns: { at: 'number' } }), json()] } })),
    ],
    ['the name of the step', () => planned(branch({ name: 'other' }))],
    ['the size of the window', () => planned(branch({ size: minutes(2) }))],
    ['allowedLateness', () => planned(branch({ options: { allowedLateness: seconds(1) } }))],
    ['emit', () => planned(branch({ options: { emit: 'on-close', placement: 'lambda' } }))],
    ['refresh', () => planned(branch({ options: { refresh: seconds(1) } }))],
    ['the placement', () => planned(branch({ options: { placement: 'fargate' } }))],
    ['the ttl', () => planned(branch({ ttl: days(2) }))],
    ['the name of a column', () => planned(branch({ aggregates: { visits: count(), bytes } }))],
    ['the aggregator of a column', () => planned(branch({ aggregates: { clicks: bytes, bytes } }))],
    ['a condition on a count', () => planned(branch({ aggregates: { clicks: count(() => true), bytes } }))],
    // State and blocks hold a row's columns by number.
    ['the order of the columns', () => planned(branch({ aggregates: { bytes, clicks: count() } }))],
    // A shared aggregator crosses the exchange once, two equal ones twice.
    [
      'which columns share an aggregator',
      () => planned(branch({ aggregates: { clicks: count(), bytes, again: bytes } })),
    ],
  ];

  test.each(different)('changes with %s', (_, made) => {
    expect(made().planHash).not.toBe(usual);
  });

  test('tells columns that share an aggregator from equal ones that do not', () => {
    const other = sum((click: Click) => click.bytes);
    const shared = planned(branch({ aggregates: { a: bytes, b: bytes } }));
    const apart = planned(branch({ aggregates: { a: bytes, b: other } }));
    expect(shared.plan).toEqual(apart.plan);
    expect(shared.planHash).not.toBe(apart.planHash);
  });

  test('changes with the order of the steps, since a block holds the columns of all of them', () => {
    const keyed = clicks().keyBy((click) => ({ key: click.key }));
    const step = (name: string, size: number): AnyOutput =>
      keyed
        .window(tumbling(minutes(size)), { allowedLateness: seconds(0) })
        .aggregate(name, { n: count() })
        .to(sink);
    const hashOf = (...outputs: readonly AnyOutput[]): string => pipeline('test', outputs).planHash;
    expect(hashOf(step('a', 1), step('b', 2))).not.toBe(hashOf(step('b', 2), step('a', 1)));
  });

  test('changes with a config of an aggregator', () => {
    const hashOf = (q: number): string => planned(quantiles(q)).planHash;
    expect(hashOf(0.9)).not.toBe(hashOf(0.99));
  });

  test('changes with a derived column, which decides about totals', () => {
    expect(planned(derivedFrom('share')).planHash).not.toBe(planned(derivedFrom('ratio')).planHash);
  });

  test('changes with the slide of a window', () => {
    const hashOf = (every: number): string => planned(slidingBy(every)).planHash;
    expect(hashOf(1)).not.toBe(hashOf(2));
  });

  test('does not change with the callbacks', () => {
    const other = branch({
      source: { timestamp: (click) => new Date(click.at * 1_000) },
      aggregates: { clicks: count(), bytes: sum((click: Click) => click.bytes * 2) },
    });
    expect(planned(other).planHash).toBe(usual);
  });

  test('does not change with the order in which options are written', () => {
    const { idleAfter = minutes(2), outOfOrderness, timestamp } = sourceOptions;
    expect(planned(branch({ source: { idleAfter, outOfOrderness, timestamp, schema } })).planHash).toBe(usual);
  });

  test('does not change with a default that is written out', () => {
    const written = branch({ options: { emit: 'on-update', refresh: seconds(5) }, source: { decode: [json()] } });
    expect(planned(written, { slots: 16, expectedKeys: 4_096 }).planHash).toBe(usual);
  });

  test('does not change with the reason of a placement, which is a sentence for people', () => {
    const { plan, outputs } = planned(branch());
    const nodes = plan.nodes.map((node) => (node.op === 'aggregate' ? { ...node, reason: 'said otherwise' } : node));
    const aggregatesOf = (name: string) => {
      const step = outputs[name]?.step;
      return step?.op === 'aggregate' ? step.aggregates : {};
    };
    expect(hashPlan({ ...plan, nodes }, aggregatesOf)).toBe(usual);
  });

  test('does not change when the automatic placement is written out', () => {
    expect(planned(branch({ options: { placement: 'lambda' } })).planHash).toBe(usual);
  });

  test('is 32 hexadecimal digits', () => {
    expect(usual).toMatch(/^[0-9a-f]{32}$/);
  });
});

function quantiles(q: number): AnyOutput {
  return clicks()
    .keyBy((click) => ({ key: click.key }))
    .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
    .aggregate('by-key', { high: quantile(q, (click) => click.bytes) })
    .to(sink);
}

function derivedFrom(kind: 'share' | 'ratio'): AnyOutput {
  return clicks()
    .keyBy((click) => ({ key: click.key }))
    .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
    .aggregate('by-key', { n: count(), bytes: sum((click) => click.bytes) })
    .derive({ value: kind === 'share' ? shareOfTotal('bytes') : ratio('bytes', 'n') })
    .to(sink);
}

function slidingBy(every: number): AnyOutput {
  return clicks()
    .keyBy((click) => ({ key: click.key }))
    .window(sliding(hours(1), { every: minutes(every) }), { allowedLateness: milliseconds(0), placement: 'fargate' })
    .aggregate('by-key', { n: count() })
    .to(sink);
}

describe('canonical JSON', () => {
  test('gives equal text for equal values, in whatever order they were written', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(reversed as never)).toBe(canonicalJson(value as never));
      }),
      { numRuns: 1_000 },
    );
  });

  test('gives different texts for different values', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2 }), fc.jsonValue({ maxDepth: 2 }), (a, b) => {
        const equal =
          JSON.stringify(JSON.parse(canonicalJson(a as never))) ===
          JSON.stringify(JSON.parse(canonicalJson(b as never)));
        expect(canonicalJson(a as never) === canonicalJson(b as never)).toBe(equal);
      }),
      { numRuns: 1_000 },
    );
  });

  test('is JSON of the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value as never))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 1_000 },
    );
  });
});
