import { describe, expect, test } from 'vitest';
import { compile } from '#shared/engine/compile/compile.ts';
import {
  type AnyOutput,
  collect,
  count,
  decimalSum,
  milliseconds,
  pipeline,
  session,
  shareOfTotal,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import type { Placement } from '#shared/pipeline/placement.ts';
import { feedingStepsOf, sourcesOf, stepsOf } from '#shared/pipeline/plan.ts';
import { topCountMax } from '#shared/pipeline/validate.ts';
import { hasCode } from '#shared/schemas/error.ts';
import { pipelineOf, type Reading, readings, sink } from '../readings.ts';

const keyed = readings().keyBy((reading) => ({ key: reading.key }));
const onClose = { allowedLateness: milliseconds(0), emit: 'on-close' } as const;
const total = sum((reading: Reading) => reading.amount);

function tens(options: { readonly emit?: 'on-close' | 'on-update'; readonly placement?: Placement } = {}) {
  // As a program without types could: an on-update table does not have asStream.
  return keyed
    .window(tumbling(milliseconds(10)), { ...onClose, ...(options as typeof onClose) })
    .aggregate('tens', { requests: count(), total });
}

function reading(table: ReturnType<typeof tens>, name = 'sums'): AnyOutput {
  return table
    .asStream()
    .map((row) => row.total)
    .keyBy((value) => ({ isOdd: value % 2 === 1 }))
    .window(tumbling(milliseconds(100)), { allowedLateness: milliseconds(0) })
    .aggregate(name, { rows: count() })
    .to(sink);
}

/** What `PIPELINE_INVALID` or `PLACEMENT_REFUSED` says. */
function refusal(code: 'PIPELINE_INVALID' | 'PLACEMENT_REFUSED', outputs: () => readonly AnyOutput[]): string {
  try {
    pipelineOf(outputs());
  } catch (error) {
    expect(hasCode(error, code)).toBe(true);
    return (error as Error).message;
  }
  throw new Error('it was not refused');
}

describe('a step whose rows are a stream again', () => {
  test('stands before those that read them, with no sink of its own', () => {
    const { plan } = pipelineOf([reading(tens())]);
    expect(plan.nodes.map(({ id }) => id)).toEqual([
      'readings',
      'readings/key',
      'tens',
      'tens/map',
      'tens/map/key',
      'sums',
    ]);
    expect(plan.nodes[3]).toEqual({ op: 'map', id: 'tens/map', input: 'tens' });
    expect(plan.nodes[4]).toMatchObject({ op: 'key', source: 'tens', input: 'tens/map' });
    expect(plan.nodes[2]).toMatchObject({ sinks: [] });
    expect(feedingStepsOf(plan).map(({ id }) => id)).toEqual(['tens']);
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  test('is no stream that anybody could send to', () => {
    const made = pipelineOf([reading(tens())]);
    expect(sourcesOf(made.plan).map(({ id }) => id)).toEqual(['readings']);
    const compiled = compile(made);
    expect([[...compiled.sources.keys()], [...compiled.rowSources.keys()]]).toEqual([['readings'], ['tens']]);
  });

  test('is one step, whether it is an output too or what is derived from it', () => {
    const table = tens();
    const { plan, outputs } = pipelineOf([
      reading(table),
      table.derive({ share: shareOfTotal('total') }).to(sink),
      reading(table, 'again'),
    ]);
    expect(stepsOf(plan).map(({ id }) => id)).toEqual(['tens', 'sums', 'again']);
    expect(stepsOf(plan)[0]).toMatchObject({ sinks: [sink], derived: { share: { columns: ['total'] } } });
    expect(Object.keys(outputs)).toEqual(['sums', 'tens', 'again']);
  });

  test('is not another step with its name', () => {
    const outputs = () => [reading(tens()), tens().to(sink)];
    expect(refusal('PIPELINE_INVALID', outputs)).toMatch(
      /step tens has the name of another step.*define the table once/,
    );
    expect(refusal('PIPELINE_INVALID', () => [reading(tens(), 'tens')])).toMatch(/step tens has the name/);
  });

  test('must give rows once, when they are final', () => {
    expect(refusal('PIPELINE_INVALID', () => [reading(tens({ emit: 'on-update' }))])).toMatch(
      /step tens emits on-update, and only rows that are final .* emit: 'on-close'/,
    );
  });

  test('is placed on fargate and nowhere else, and who reads it by the usual rules', () => {
    const [first, second] = stepsOf(pipelineOf([reading(tens())]).plan);
    expect([first?.placement, first?.reason]).toEqual(['fargate', expect.stringMatching(/a stream again/)]);
    expect(second?.placement).toBe('lambda');
    expect(refusal('PLACEMENT_REFUSED', () => [reading(tens({ placement: 'lambda' }))])).toMatch(
      /step tens cannot be placed on lambda: its rows are a stream again/,
    );
  });

  test('changes the plan’s hash with what reads it', () => {
    const table = tens();
    const hashes = [pipelineOf([table.to(sink)]), pipelineOf([table.to(sink), reading(table)])];
    expect(new Set(hashes.map(({ planHash }) => planHash)).size).toBe(2);
  });

  test('may be read twice by one join, and rows of rows by others', () => {
    const rows = tens().asStream();
    const byKey = rows.keyBy((row) => ({ key: row.key }));
    const within = [milliseconds(0), milliseconds(5)] as const;
    const pairs = byKey
      .join(byKey, { within, allowedLateness: milliseconds(0) })
      .select('pairs', { left: { a: (row) => row.total }, right: { b: (row) => row.total } });
    const { plan } = pipelineOf([reading(tens(), 'other'), pairs.to(sink)].slice(1));
    expect(stepsOf(plan).map(({ id }) => id)).toEqual(['tens', 'pairs']);
  });
});

describe('the best rows of windows', () => {
  test('are a step behind a key of their own, in the worker', () => {
    const { plan } = pipelineOf([tens().top('best', 3, { by: 'total' }).to(sink)]);
    expect(plan.nodes.at(-1)).toMatchObject({
      op: 'top',
      id: 'best',
      source: 'tens',
      count: 3,
      by: 'total',
      windowMs: 10,
      aggregates: { requests: { kind: 'count' }, total: { kind: 'sum' } },
      placement: 'fargate',
    });
  });

  test.each([0, -1, 1.5, topCountMax + 1])('are not %d', (ranks) => {
    const outputs = () => [tens().top('best', ranks, { by: 'total' }).to(sink)];
    expect(refusal('PIPELINE_INVALID', outputs)).toMatch(
      /step best ranks .* rows; it must be a whole number from 1 to/,
    );
  });

  test('are not those of sessions, of on-update windows, nor by a column that is not there', () => {
    const sessions = keyed.window(session({ gap: milliseconds(5) }), onClose).aggregate('visits', { total });
    const untyped = sessions as unknown as ReturnType<typeof tens>;
    expect(refusal('PIPELINE_INVALID', () => [untyped.top('best', 1, { by: 'total' }).to(sink)])).toMatch(
      /ranks the rows of visits, whose keys share no windows/,
    );
    const onUpdate = tens({ emit: 'on-update' });
    expect(refusal('PIPELINE_INVALID', () => [onUpdate.top('best', 1, { by: 'total' }).to(sink)])).toMatch(
      /step tens emits on-update/,
    );
    const missing = { by: 'requests' as const, ...({ by: 'missing' } as object) };
    expect(refusal('PIPELINE_INVALID', () => [tens().top('best', 1, missing).to(sink)])).toMatch(
      /ranks by column "missing", which tens does not aggregate/,
    );
    const texts = keyed.window(tumbling(milliseconds(10)), onClose).aggregate('tens', {
      exact: decimalSum((reading) => reading.amount),
      list: collect((reading) => reading.amount, { max: 3 }),
    });
    for (const [by, is] of [
      ['exact', 'a string'],
      ['list', 'a list'],
    ]) {
      const untypedBy = { by } as unknown as { readonly by: never };
      for (const ranking of [texts.top('best', 1, untypedBy), texts.rank('best', 1, untypedBy)])
        expect(refusal('PIPELINE_INVALID', () => [ranking.to(sink)])).toContain(
          `step best ranks by a number, and ${by} is ${is}. Rank by a column of tens that is one.`,
        );
    }
    const ranked = keyed.window(tumbling(milliseconds(10)), onClose).aggregate('tens', { rank: total });
    expect(refusal('PIPELINE_INVALID', () => [ranked.top('best', 1, { by: 'rank' }).to(sink)])).toMatch(
      /have a column rank already/,
    );
  });
});

test('an id of a step that only feeds others is a name like others', () => {
  const table = keyed.window(tumbling(milliseconds(10)), onClose).aggregate('Not a name', { requests: count() });
  const output = table
    .asStream()
    .keyBy((row) => ({ key: row.key }))
    .window(tumbling(milliseconds(10)), onClose)
    .aggregate('fine', { rows: count() })
    .to(sink);
  expect(() => pipeline('test', [output])).toThrow(/step "Not a name" is not a name/);
});
