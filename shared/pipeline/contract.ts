import { hashHex } from '#shared/schemas/hash.ts';
import { stateVersion } from '#shared/schemas/state.ts';
import type { Json } from './aggregator.ts';
import { totalledColumns } from './derive.ts';
import type { Placement } from './placement.ts';
import { inputIdsOf, isStep, type Plan, type StepPlan, sinksOf, sourcesOf, stepsOf } from './plan.ts';
import { canonicalJson } from './plan-hash.ts';

/**
 * What the state of a pipeline depends on. Two plans whose contracts are equal, or differ only in what `diffContracts` calls compatible, go
 * on with one state. It is JSON: a deployment records it, and a file beside the pipeline holds what was deployed last.
 */
export interface StateContract {
  readonly version: 1;
  readonly pipeline: string;
  readonly slots: number;
  readonly groups: number;
  /** Of what operators save; a newer Millrace reads it, an older one does not. */
  readonly stateVersion: number;
  readonly sources: readonly SourceContract[];
  readonly steps: readonly StepContract[];
}

export interface SourceContract {
  readonly id: string;
  readonly outOfOrdernessMs: number;
  /** Null: a silent shard is waited for without end. */
  readonly idleAfterMs: number | null;
  readonly whenSilent?: 'advance';
  readonly formats: readonly string[];
}

export interface StepContract {
  readonly id: string;
  readonly placement: Placement;
  /** What gives the state its meaning: state of one value cannot be read as that of another. */
  readonly state: Fields;
  readonly allowedLatenessMs: number;
  /** Columns that are also kept as totals over all keys, by their number among the columns. */
  readonly totals: readonly number[];
  /** What may change while the state goes on. */
  readonly free: Fields;
}

export type Fields = { readonly [name: string]: Json };

/** The contract of a plan. A pure function: the same plan gives the same contract, whatever its callbacks do. */
export function contractOf(plan: Plan): StateContract {
  return {
    version: 1,
    pipeline: plan.id,
    slots: plan.slots,
    groups: plan.groups,
    stateVersion,
    sources: sourcesOf(plan).map(({ id, outOfOrdernessMs, idleAfterMs, whenSilent, formats }) => ({
      id,
      outOfOrdernessMs,
      idleAfterMs: idleAfterMs ?? null,
      ...(whenSilent === undefined ? {} : { whenSilent }),
      formats: formats.map(({ format }) => format),
    })),
    steps: stepsOf(plan).map((step) => contractOfStep(plan, step)),
  };
}

/** The contract of one step. What is not named here gives the state its meaning, so a kind of step that is yet to come is on the safe side. */
function contractOfStep(plan: Plan, step: StepPlan): StepContract {
  const { id, placement, reason: _, allowedLatenessMs, sinks, ...rest } = step;
  const {
    emit,
    refreshMs,
    early,
    derived,
    totals: _totals,
    projection,
    ...described
  } = rest as unknown as Record<string, Json>;
  // How rows are cut into files is a part of what makes them stand in one: the log is read again after a crash.
  const state: Record<string, Json> = {
    sinks: sinks.map((sink) => (sink.kind === 'dynamodb' ? { kind: sink.kind } : { ...sink })),
  };
  const ttlMs = sinksOf(step).table?.ttlMs;
  const inputs: string[] = [];
  for (const [name, value] of Object.entries(described)) {
    // How its rows are shown.
    if (name === 'window' && step.op === 'select') continue;
    if (name === 'input') inputs.push(pathOf(plan, value as string));
    else if (name === 'window') state[name] = withoutTrigger(value as Fields);
    // What was the best by another column is not by this one.
    else if (name === 'by') state[name] = (derived as Fields | undefined)?.[value as string] ?? value;
    else if (name === 'aggregates') state['columns'] = columnsInOrder(value as Fields);
    else state[name] = withoutInputs(value, (input) => inputs.push(pathOf(plan, input)));
  }
  return {
    id,
    placement,
    state,
    allowedLatenessMs,
    totals: totalsOf(step),
    free: {
      input: inputs,
      ...triggerOf(described),
      ...defined({
        ttlMs,
        emit,
        refreshMs,
        early,
        derived,
        projection,
        shownIn: step.op === 'select' ? step.window?.sizeMs : undefined,
      }),
    },
  };
}

/** When the row of a global window is shown says nothing of what it holds. */
function withoutTrigger(window: Fields): Fields {
  if (window['kind'] !== 'global') return window;
  const { everyRecords: _records, everyMs: _ms, everyArrivalMs: _arrivalMs, ...held } = window;
  return held;
}

function triggerOf({ window }: Readonly<Record<string, Json>>): Fields {
  if (window === undefined || !isObject(window) || window['kind'] !== 'global') return {};
  const { everyRecords, everyMs, everyArrivalMs } = window;
  return defined({ everyRecords, everyMs, everyArrivalMs });
}

const tokens = new WeakMap<StepPlan, string>();

/** The token of a step of a plan, which no other part of the plan has a share in: made once. */
export function stateTokenOf(plan: Plan, step: StepPlan): string {
  const known = tokens.get(step) ?? stateToken(contractOfStep(plan, step));
  tokens.set(step, known);
  return known;
}

/**
 * Names a step's state in blocks, checkpoints and cells: `identity.lateness.totals`. Of one text another can tell whether its state goes on
 * (`whyLost`), without the contract itself.
 */
export function stateToken(step: StepContract): string {
  const { id, placement, state, allowedLatenessMs, totals } = step;
  const identity = hashHex(canonicalJson({ id, placement, state })).slice(0, identityLength);
  return `${identity}.${allowedLatenessMs}.${totals.join('-')}`;
}

/** The part of a token that says what the values of a block's columns and of a state item mean. */
export function identityOf(token: string): string {
  return token.slice(0, identityLength);
}

/** Why the state of `before` cannot go on as that of `after`; undefined when it can. Both are tokens of one step. */
export function whyLost(before: string, after: string): string | undefined {
  if (before === after) return undefined;
  const [, latenessBefore = '', totalsBefore = ''] = before.split('.');
  const [, latenessAfter = '', totalsAfter = ''] = after.split('.');
  if (identityOf(before) !== identityOf(after)) return 'its state is of another form';
  if (Number(latenessAfter) > Number(latenessBefore))
    return `its allowed lateness was ${latenessBefore} ms and is ${latenessAfter} ms: windows that have closed would open again, empty`;
  const kept = totalsBefore.split('-');
  if (totalsAfter !== '' && !totalsAfter.split('-').every((column) => kept.includes(column)))
    return 'a column became one that is totalled over all keys, and the totals of open windows lack what came before';
  return undefined;
}

/** How the loss of a step's state is named, so that it is not refused: the step, and the very state. */
export function nameOfLoss(step: string, token: string): string {
  return `${step}@${token}`;
}

/** At 32 bits the few forms that one step's state has ever had are told apart. */
const identityLength = 8;

function totalsOf(step: StepPlan): readonly number[] {
  if (step.op === 'top') return totalledColumns(Object.keys(step.aggregates), { derived: step.derived ?? {} });
  if (step.op !== 'aggregate') return [];
  return totalledColumns(Object.keys(step.aggregates), step);
}

/** State holds columns by number, so their order counts. */
function columnsInOrder(aggregates: Fields): Json {
  return Object.entries(aggregates).map(([column, aggregator]) => ({ column, ...(aggregator as Fields) }));
}

/** Of unions of unions, the part of a path that is longer is told by its hash. */
const pathCharactersMax = 10_000;

/**
 * What a record goes through before the step, without the numbers that tell branches apart: those depend on the other branches. Each node is
 * looked at once, and `known` holds its path.
 */
function pathOf(plan: Plan, id: string, known = new Map<string, string>()): string {
  const found = known.get(id);
  if (found !== undefined) return found;
  const node = plan.nodes.find((candidate) => candidate.id === id);
  if (node === undefined || node.op === 'source' || isStep(node)) return id;
  const paths = inputIdsOf(node).map((input) => pathOf(plan, input, known));
  const by = node.op === 'enrich' ? ` by ${node.table.name}` : '';
  const whole = `${node.op === 'union' ? `(${paths.join(', ')})` : paths[0]} > ${node.op}${by}`;
  const path = whole.length > pathCharactersMax ? `… ${hashHex(whole)}` : whole;
  known.set(id, path);
  return path;
}

/** Where a step's sides get their records from is not what their state means. */
function withoutInputs(value: Json, found: (input: string) => void): Json {
  if (Array.isArray(value)) return value.map((member: Json) => withoutInputs(member, found));
  if (!isObject(value) || typeof value['input'] !== 'string') return value;
  const { input, ...side } = value;
  found(input as string);
  return side;
}

function isObject(value: Json): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function defined(fields: Readonly<Record<string, Json | undefined>>): Fields {
  return Object.fromEntries(Object.entries(fields).filter((entry): entry is [string, Json] => entry[1] !== undefined));
}
