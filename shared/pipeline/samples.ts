import type { AnyAggregator } from './aggregator.ts';
import { joinTimeColumns } from './join.ts';
import { processTimeColumn, tableTimeColumn } from './process.ts';
import { rankColumn } from './rows.ts';
import { changeColumn } from './running.ts';
import { samplesOfSchema } from './schema-samples.ts';
import { inputNodesOf } from './steps.ts';
import type { JoinSideDefinition, KeyNode, ProcessDefinition, StepDefinition, StreamNode } from './stream.ts';

// What callbacks give is known when they are called. Here they are, with records that are made up of the stream's schema: to learn the types of
// columns, and for nothing else. What throws for such a record tells nothing.

type Sample = Readonly<Record<string, unknown>>;

/** The event time of all samples. */
const sampleMs = 1_763_719_200_000;
const boundsMs = { windowStartMs: sampleMs, windowEndMs: sampleMs + 60_000 };
/** Of one node: a union or a flatMap may make many. */
const samplesMax = 8;

/** Rows such as a step's may be, as a stream behind it has them. A column of which nothing is known is not there. */
function rowSamplesOf(step: StepDefinition): readonly Sample[] {
  const [own = [], other] = inputNodesOf(step).map(samplesOf);
  const at = new Date(sampleMs);
  const bounds = { windowStart: new Date(boundsMs.windowStartMs), windowEnd: new Date(boundsMs.windowEndMs) };
  switch (step.op) {
    case 'aggregate':
      return own.map((record) => ({ ...bounds, ...keyOf(step.key, record), ...aggregated(step.aggregates, record) }));
    case 'running':
      return own.map((record) => ({
        ...keyOf(step.key, record),
        ...aggregated(step.aggregates, record),
        [changeColumn]: 1,
      }));
    case 'select':
      return own.map((record) => ({ ...keyOf(step.key, record), ...selected(step.columns, record) }));
    case 'top': {
      const rank = step.ties === undefined ? rankColumn : step.ties.as;
      const added = { ...(rank === null ? {} : { [rank]: 1 }), ...mapped(step.derived, () => 0.5) };
      return own.map((row) => ({ ...(row as Sample), ...added }));
    }
    case 'join': {
      const times = Object.fromEntries(joinTimeColumns.map((name) => [name, at]));
      return paired(own, other).map(([left, right]) => ({
        ...times,
        ...keyOf(step.left.key, left),
        ...selected(step.left.columns, left),
        ...selected(step.right.columns, right),
      }));
    }
    case 'process':
      return paired(own, other).map((records) => ({ [processTimeColumn]: at, ...processed(step, records) }));
  }
}

/** The same as rows are shown. */
export function shownSamplesOf(step: StepDefinition): readonly Sample[] {
  const { projection } = step;
  const rows = rowSamplesOf(step);
  if (projection === undefined) return rows;
  return rows.flatMap(({ windowStart: _start, windowEnd: _end, ...columns }) => {
    const shown = attempt(() => projection.project({ columns, ...boundsMs, totals: undefined }));
    return (shown ?? []).map((row) => row.columns);
  });
}

/** The keys of such rows, where all have the same columns: what is named by a record has others. */
export function keySamplesOf(step: StepDefinition): readonly Sample[] {
  const key = keyNodeOf(step);
  if (key === undefined) return step.op === 'top' ? keySamplesOf(step.input.step) : [];
  const keys = samplesOf(key.input).map((record) => keyOf(key, record));
  const names = new Set(keys.map((one) => Object.keys(one).join()));
  return keys.length > 1 && names.size === 1 ? keys : [];
}

function keyNodeOf(step: StepDefinition): KeyNode | undefined {
  if (step.op === 'join') return step.left.key;
  if (step.op === 'process') return step.inputs.at(-1)?.key;
  return step.op === 'top' ? undefined : step.key;
}

type Samples = readonly unknown[];

/** Records such as a stream's may be. A union may have very many ways to the same node, so each is gone once. */
function samplesOf(node: StreamNode): Samples {
  const samples = known.get(node) ?? made(node).slice(0, samplesMax);
  known.set(node, samples);
  return samples;
}

const known = new WeakMap<StreamNode, Samples>();

function made(node: StreamNode): Samples {
  switch (node.op) {
    case 'source':
      return samplesOfSchema(node.schema);
    case 'rows':
      return rowSamplesOf(node.step);
    case 'union':
      return node.inputs.flatMap((input) => samplesOf(input).slice(0, Math.ceil(samplesMax / node.inputs.length)));
    case 'filter': {
      const all = samplesOf(node.input);
      const kept = all.filter((record) => attempt(() => node.call(record)) === true);
      // What passes is of the same type, if perhaps of a part of it.
      return kept.length === 0 ? all : kept;
    }
    case 'map':
      return given(samplesOf(node.input), (record) => [node.call(record)]);
    case 'flatMap':
      return given(samplesOf(node.input), (record) => node.call(record).slice(0, samplesMax));
    case 'enrich': {
      const items = samplesOfSchema(node.table.schema);
      return given(samplesOf(node.input), (record, index) => [
        node.call(record, items.length === 0 ? undefined : items[index % items.length]),
      ]);
    }
  }
}

function given(records: Samples, call: (record: unknown, index: number) => Samples): Samples {
  return records.flatMap((record, index) => attempt(() => call(record, index)) ?? []);
}

function keyOf(key: KeyNode, record: unknown): Sample {
  return attempt(() => (key.takesTime === true ? key.call(record, sampleMs) : call(key.call, record))) ?? {};
}

function call(select: KeyNode['call'], record: unknown): Sample {
  return (select as (record: unknown) => Sample)(record);
}

function selected(columns: Readonly<Record<string, (record: never) => unknown>>, record: unknown): Sample {
  return mapped(columns, (select) => select(record as never));
}

function aggregated(aggregates: Readonly<Record<string, AnyAggregator<unknown>>>, record: unknown): Sample {
  return mapped(aggregates, (aggregator) => {
    const value: unknown = aggregator.select(record, sampleMs);
    if (aggregator.refuse?.(value) !== undefined) return undefined;
    return aggregator.result(aggregator.add(aggregator.create(), value));
  });
}

function processed({ does, row, inputs }: ProcessDefinition, records: Samples): Sample {
  const key = keyOf((inputs.at(-1) as JoinSideDefinition).key, records[inputs.length - 1]);
  if (does.kind === 'process') return { ...key, ...mapped(row, (type) => declared[type.replace('?', '')]) };
  const own = inputs.map(({ columns }, index) => selected(columns, records[index]));
  return {
    ...key,
    ...mapped(row, (type) => declared[type]),
    ...(does.kind === 'table-join' ? { [tableTimeColumn]: new Date(sampleMs) } : {}),
    ...Object.assign({}, ...own),
  };
}

/** Of `json` nothing is known. */
const declared: Readonly<Record<string, unknown>> = { string: 'sample', number: 1, boolean: true };

function mapped<Of>(columns: Readonly<Record<string, Of>>, make: (of: Of) => unknown): Sample {
  return Object.fromEntries(
    Object.entries(columns).flatMap(([name, of]) => {
      const value = attempt(() => make(of));
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Records of two sides, of which the shorter one begins anew; a side without any has nothing to tell. */
function paired(left: Samples, right: Samples = []): readonly (readonly [unknown, unknown])[] {
  return Array.from({ length: Math.max(left.length, right.length) }, (_, at) => [
    left[at % left.length],
    right[at % right.length],
  ]);
}

function attempt<Made>(make: () => Made): Made | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
