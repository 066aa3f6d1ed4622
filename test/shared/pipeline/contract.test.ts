import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { contractOf, stateToken } from '#shared/pipeline/contract.ts';
import { type Difference, diffContracts, lossesOf } from '#shared/pipeline/contract-diff.ts';
import {
  type AnyOutput,
  count,
  days,
  dynamodb,
  json,
  max,
  minutes,
  type PipelineOptions,
  pipeline,
  quantile,
  ratio,
  seconds,
  session,
  shareOfTotal,
  stream,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';

const schema = z.object({ at: z.number(), key: z.string(), bytes: z.number() });
type Click = z.infer<typeof schema>;

function clicks(change: { readonly name?: string; readonly outOfOrderness?: number; readonly idle?: boolean } = {}) {
  return stream(change.name ?? 'clicks', {
    schema,
    timestamp: (click) => click.at,
    outOfOrderness: seconds(change.outOfOrderness ?? 1),
    ...(change.idle === true ? { idleAfter: minutes(2) } : {}),
    decode: json(),
  });
}

const usualClicks = clicks();
const columns = { clicks: count<Click>(), bytes: sum((click: Click) => click.bytes) };

interface Change {
  readonly source?: Parameters<typeof clicks>[0];
  readonly filtered?: boolean;
  readonly name?: string;
  readonly size?: number;
  readonly lateness?: number;
  readonly refresh?: number;
  readonly emit?: 'on-close' | 'on-update';
  readonly placement?: 'lambda' | 'fargate';
  readonly ttl?: number;
}

function windowed(change: Change = {}) {
  const source = change.source === undefined ? usualClicks : clicks(change.source);
  return (change.filtered === true ? source.filter(() => true) : source)
    .keyBy((click) => ({ key: click.key }))
    .window(tumbling(minutes(change.size ?? 1)), {
      allowedLateness: seconds(change.lateness ?? 10),
      ...(change.refresh === undefined ? {} : { refresh: seconds(change.refresh) }),
      ...(change.emit === undefined ? {} : { emit: change.emit }),
      placement: change.placement ?? 'fargate',
    });
}

function byKey(change: Change = {}): AnyOutput {
  return windowed(change)
    .aggregate(change.name ?? 'by-key', columns)
    .derive({ share: shareOfTotal('bytes') })
    .to(dynamodb({ ttl: days(change.ttl ?? 1) }));
}

const other = usualClicks
  .keyBy((click) => ({ key: click.key }))
  .window(session({ gap: minutes(1) }), { allowedLateness: seconds(0) })
  .aggregate('visits', { clicks: count<Click>() })
  .to(dynamodb({ ttl: days(1) }));

function joined(change: { readonly upper?: number; readonly kind?: 'inner' | 'left'; readonly column?: string } = {}) {
  const keyed = usualClicks.keyBy((click) => ({ key: click.key }));
  return keyed
    .join(keyed, {
      within: [seconds(0), seconds(change.upper ?? 5)],
      kind: change.kind ?? 'inner',
      allowedLateness: seconds(0),
    })
    .select('pairs', {
      left: { [change.column ?? 'a']: (click: Click) => click.bytes },
      right: { b: (click: Click) => click.bytes },
    })
    .to(dynamodb({ ttl: days(1) }));
}

function diff(
  before: readonly AnyOutput[],
  after: readonly AnyOutput[],
  options: readonly [PipelineOptions, PipelineOptions] = [{}, {}],
): readonly Difference[] {
  const contract = (outputs: readonly AnyOutput[], of: PipelineOptions) =>
    contractOf(pipeline('test', outputs, of).plan);
  return diffContracts(contract(before, options[0]), contract(after, options[1]));
}

/** `kind: what`. */
function lines(differences: readonly Difference[]): readonly string[] {
  return differences.map(({ kind, what }) => `${kind}: ${what}`);
}

const usual = byKey();

test('a plan that is the same, with other callbacks, has no difference', () => {
  expect(diff([usual], [byKey()])).toEqual([]);
});

describe('compatible, so that the state goes on:', () => {
  test.each<[string, readonly AnyOutput[], readonly AnyOutput[], string]>([
    ['a step that is new', [usual], [other, usual], 'step visits is new'],
    ['a source that is new', [usual], [usual, byKey({ name: 'more', source: { name: 'taps' } })], 'source taps is new'],
    ['the time to live', [usual], [byKey({ ttl: 2 })], 'step by-key: ttlMs 86400000 became 172800000'],
    ['the refresh', [usual], [byKey({ refresh: 9 })], 'step by-key: refreshMs 5000 became 9000'],
    [
      'when rows are emitted',
      [usual],
      [byKey({ emit: 'on-close' })],
      'step by-key: emit "on-update" became "on-close"',
    ],
    ['less lateness', [usual], [byKey({ lateness: 5 })], 'step by-key: allowedLatenessMs 10000 became 5000'],
    [
      'what happens before the key',
      [usual],
      [byKey({ filtered: true })],
      'step by-key: input ["clicks > key"] became ["clicks > filter > key"]',
    ],
    [
      'how far records are out of order',
      [usual],
      [byKey({ source: { outOfOrderness: 2 } })],
      'source clicks: outOfOrdernessMs 1000 became 2000',
    ],
    [
      'when a shard is idle',
      [usual],
      [byKey({ source: { idle: true } })],
      'source clicks: idleAfterMs null became 120000',
    ],
  ])('%s', (_, before, after, what) => {
    const differences = diff(before, after);
    expect(differences.every(({ kind }) => kind === 'compatible')).toBe(true);
    expect(lines(differences)).toContain(`compatible: ${what}`);
  });

  test('the order of the steps', () => {
    expect(diff([usual, other], [other, usual])).toEqual([]);
  });

  test('derived columns that need no new total', () => {
    const after = windowed()
      .aggregate('by-key', columns)
      .derive({ share: shareOfTotal('bytes'), mean: ratio('bytes', 'clicks') })
      .to(dynamodb({ ttl: days(1) }));
    expect(diff([usual], [after]).map(({ kind }) => kind)).toEqual(['compatible']);
  });

  test('the number of key groups, where no step keeps its state by them', () => {
    expect(diff([usual], [usual], [{}, { expectedKeys: 100_000 }]).map(({ kind }) => kind)).toEqual(['compatible']);
  });
});

describe('of ranked rows', () => {
  const table = usualClicks
    .keyBy((click) => ({ key: click.key }))
    .window(tumbling(minutes(1)), { allowedLateness: seconds(0), emit: 'on-close' })
    .aggregate('by-key', columns);
  const ranked = (derived: Parameters<typeof table.derive>[0], by: string) =>
    table
      .derive(derived)
      .top('best', 3, { by: by as 'bytes' })
      .to(dynamodb({ ttl: days(1) }));
  const share = { share: shareOfTotal('bytes') };
  const [byBytes, withShare] = [ranked({}, 'bytes'), ranked(share, 'bytes')];

  test('a column that needs no new total is compatible, and so is a share that is shown no more', () => {
    const withMean = ranked({ mean: ratio('bytes', 'clicks') }, 'bytes');
    expect(diff([byBytes], [withMean]).map(({ kind }) => kind)).toEqual(['compatible']);
    expect(diff([withShare], [byBytes]).every(({ kind }) => kind === 'compatible')).toBe(true);
  });

  test('a share breaks the step that has ranked without, and the one whose rows it ranks', () => {
    const breaking = diff([byBytes], [withShare]).filter(({ kind }) => kind === 'breaking');
    expect(breaking.map(({ step }) => step)).toEqual(['by-key', 'best']);
  });

  test('what is the best by another column breaks, also where only its name is the same', () => {
    for (const [before, after] of [
      [withShare, ranked(share, 'share')],
      [ranked({ x: ratio('bytes', 'clicks') }, 'x'), ranked({ x: ratio('clicks', 'bytes') }, 'x')],
    ] as const)
      expect(diff([before], [after]).map(({ kind, step }) => [kind, step])).toContainEqual(['breaking', 'best']);
  });
});

describe('migratable, by a savepoint:', () => {
  const onLambda = byKey({ placement: 'lambda' });

  test('more slots', () => {
    const [first] = diff([usual], [usual], [{ slots: 4 }, { slots: 8 }]);
    expect(first).toMatchObject({ kind: 'migratable', what: 'slots 4 became 8' });
    expect(first?.advice).not.toContain('--drained');
  });

  test('fewer slots, for which all must have read the same', () => {
    const [first] = diff([usual], [usual], [{ slots: 8 }, { slots: 4 }]);
    expect(first).toMatchObject({ kind: 'migratable', what: 'slots 8 became 4' });
    expect(first?.advice).toContain('savepoint create test --drained');
  });

  test('the number of key groups of a step on Lambda', () => {
    const found = diff([onLambda], [onLambda], [{}, { expectedKeys: 100_000 }]);
    expect(lines(found)).toEqual(['migratable: key groups 16 became 512']);
  });
});

describe('breaking, so that the state of the step would be lost:', () => {
  const aggregated = (aggregates: Parameters<ReturnType<typeof windowed>['aggregate']>[1]): AnyOutput =>
    windowed()
      .aggregate('by-key', aggregates)
      .to(dynamodb({ ttl: days(1) }));
  const plain = aggregated(columns);

  test.each<[string, readonly AnyOutput[], readonly AnyOutput[], RegExp]>([
    ['a step that is gone', [usual, other], [usual], /^step visits is gone$/],
    ['the window', [usual], [byKey({ size: 2 })], /window .*60000.* became .*120000/],
    ['more lateness', [usual], [byKey({ lateness: 20 })], /^step by-key$/],
    ['the placement', [usual], [byKey({ placement: 'lambda' })], /placement "fargate" became "lambda"/],
    ['the source', [usual], [byKey({ source: { name: 'taps' } })], /source "clicks" became "taps"/],
    ['a column more', [plain], [aggregated({ ...columns, most: max((click: Click) => click.bytes) })], /columns/],
    ['the order of columns', [plain], [aggregated({ bytes: columns.bytes, clicks: columns.clicks })], /columns/],
    [
      'the kind of an aggregator',
      [plain],
      [aggregated({ ...columns, bytes: max((click: Click) => click.bytes) })],
      /columns/,
    ],
    [
      'the setting of an aggregator',
      [aggregated({ p: quantile(0.5, (click: Click) => click.bytes) })],
      [aggregated({ p: quantile(0.9, (click: Click) => click.bytes) })],
      /columns/,
    ],
    ['a column that becomes shared', [plain], [usual], /^step by-key$/],
    ['the interval of a join', [joined()], [joined({ upper: 6 })], /upperMs 5000 became 6000/],
    ['the kind of a join', [joined()], [joined({ kind: 'left' })], /kind "inner" became "left"/],
    ['a column of a join', [joined()], [joined({ column: 'c' })], /left/],
  ])('%s', (_, before, after, what) => {
    const [first] = diff(before, after);
    expect(first).toMatchObject({ kind: 'breaking', what: expect.stringMatching(what) });
    expect(first?.advice).toContain(`--drop-state ${first?.step}`);
  });

  test('a step that was renamed, which is told from one that is gone', () => {
    const [first] = diff([usual], [byKey({ name: 'by-name' })]);
    expect(first).toMatchObject({ kind: 'breaking', what: 'step by-key is gone' });
    expect(first?.advice).toContain('give it back the name by-key');
  });

  test('a loss is named by the step and the very state', () => {
    const { steps } = contractOf(pipeline('test', [usual]).plan);
    const [step] = steps;
    expect(lossesOf(diff([usual], [byKey({ size: 2, placement: 'lambda' })]))).toEqual([
      `by-key@${step === undefined ? '' : stateToken(step)}`,
    ]);
  });

  test('state that a newer Millrace has written', () => {
    const contract = contractOf(pipeline('test', [usual]).plan);
    const newer = { ...contract, stateVersion: contract.stateVersion + 1 };
    expect(diffContracts(newer, contract).map(({ kind }) => kind)).toEqual(['breaking']);
    expect(diffContracts(contract, newer).map(({ kind }) => kind)).toEqual(['compatible']);
  });
});

test('the worst comes first', () => {
  const found = diff([usual, other], [byKey({ ttl: 2 })], [{ slots: 4 }, { slots: 8 }]);
  expect(found.map(({ kind }) => kind)).toEqual(['breaking', 'migratable', 'compatible', 'compatible']);
});
