import type { CompiledPipeline, CompiledStep } from '#shared/engine/compile/compile.ts';
import { identityOf, nameOfLoss, whyLost } from '#shared/pipeline/contract.ts';
import { inputsOf } from '#shared/pipeline/plan.ts';
import type { RouteOutputs, RouteReader } from '#shared/schemas/block.ts';
import { assert, MillraceError } from '#shared/schemas/error.ts';
import type { Checkpoint, Stage } from '#shared/schemas/state.ts';

// What another plan has made, and how it reaches the steps of this one. The law: what was made for a step goes to the step of the same
// contract, or was named as a loss, or is refused. Nothing is passed over in silence, neither state nor a block in flight (rule 6).

/** Who of a stage is given the outputs of a route. */
export interface Delivery {
  readonly targets: readonly Target[];
  /** For each target, where its late records are shown: the places of those views among the targets. */
  readonly lateViews: readonly (readonly number[])[];
  /** How many of the targets are steps that want every record. */
  readonly wantedCount: number;
  /** This stage is the home of the records' counts. */
  readonly isHome: boolean;
}

export interface Target {
  readonly step: CompiledStep;
  /** The route by which they come to the step in this plan. */
  readonly route: string;
  /** For each column of that route the column in the block; undefined where they are the same. */
  readonly columns: readonly number[] | undefined;
}

/** What blocks and state have in common: by whom they were made. */
interface Made {
  readonly plan: string;
  readonly slots: number;
}

/** The limits of EXACTNESS: state and blocks of another number of slots are refused. Throws `SLOTS_MISMATCH`. */
export function checkSlots(pipeline: CompiledPipeline, made: Made, what: string): void {
  if (made.slots === pipeline.slots) return;
  throw new MillraceError(
    'SLOTS_MISMATCH',
    `${what} was made with ${made.slots} slots, and pipeline ${pipeline.id} has ${pipeline.slots}. Set slots back to ${made.slots}, or move the state with "millrace savepoint create" and "restore".`,
  );
}

/**
 * Which steps of the stage go on with the state that a checkpoint stands for. Throws `STATE_WOULD_BE_LOST` when that of another step has
 * no heir and its loss was not named.
 */
export function admitCheckpoint(
  pipeline: CompiledPipeline,
  stage: Stage,
  checkpoint: Checkpoint,
  what: string,
): ReadonlySet<string> {
  checkSlots(pipeline, checkpoint, what);
  const steps = Object.entries(checkpoint.steps);
  if (checkpoint.plan === pipeline.planHash) return new Set(steps.map(([id]) => id));
  if (stage === 'aggregate' && checkpoint.groups === undefined) throw ofUnknownPlan(pipeline, checkpoint, what);
  if (stage === 'aggregate' && checkpoint.groups !== pipeline.groups) {
    throw new MillraceError(
      'SLOTS_MISMATCH',
      `${what} has ${checkpoint.groups} key groups, and pipeline ${pipeline.id} has ${pipeline.groups}. Set expectedKeys back, or move the state with "millrace savepoint create" and "restore".`,
    );
  }
  const goOn = new Set<string>();
  for (const [id, { contract }] of steps) {
    if (contract === undefined) throw ofUnknownPlan(pipeline, checkpoint, what);
    const heir = pipeline.steps.find((step) => step.plan.id === id && step.stage === stage);
    const reason = heir === undefined ? 'there is no such step any more' : whyLost(contract, heir.contract);
    // A loss that was named holds also where the state could go on: it was named because of what came between.
    if (reason === undefined) goOn.add(id);
    else if (!pipeline.dropped.has(nameOfLoss(id, contract))) throw lossOf(pipeline, id, reason, what);
  }
  return goOn;
}

/** To which steps of the stage the outputs of a block's route go. Throws `STATE_WOULD_BE_LOST` when some are for a step that is gone. */
export function deliveryOf(
  pipeline: CompiledPipeline,
  stage: Stage,
  made: Made,
  outputs: RouteOutputs,
  what: string,
): Delivery {
  if (made.plan === pipeline.planHash) return ownDelivery(pipeline, stage, outputs.route);
  if (outputs.readers === undefined) throw ofUnknownPlan(pipeline, made, what);
  const targets: Target[] = [];
  const stages: Stage[] = [];
  for (const reader of outputs.readers) {
    const step = pipeline.steps.find(({ plan }) => plan.id === reader.step);
    const isSame = step !== undefined && identityOf(step.contract) === identityOf(reader.contract);
    if (!isSame) {
      if (pipeline.dropped.has(nameOfLoss(reader.step, reader.contract))) continue;
      throw lossOf(pipeline, reader.step, 'it has another form or is gone', what);
    }
    stages.push(reader.stage);
    if (reader.stage === stage) targets.push(targetOf(pipeline, step, reader, outputs.columns.length));
  }
  return { ...withLateViews(targets), isHome: stages.sort()[0] === stage };
}

function withLateViews(targets: readonly Target[]): Omit<Delivery, 'isHome'> {
  const lateViews = targets.map(({ step: { plan } }) =>
    targets.flatMap(({ step }, at) => (lateOf(step) === plan.id ? [at] : [])),
  );
  return { targets, lateViews, wantedCount: targets.filter(({ step }) => lateOf(step) === undefined).length };
}

/** The step whose late records this one shows. */
export function lateOf({ plan }: CompiledStep): string | undefined {
  return plan.op === 'select' ? plan.lateOf : undefined;
}

function ownDelivery(pipeline: CompiledPipeline, stage: Stage, id: string): Delivery {
  const route = pipeline.routes.get(id);
  const steps = route?.steps.filter((step) => step.stage === stage) ?? [];
  return {
    ...withLateViews(steps.map((step) => ({ step, route: id, columns: undefined }))),
    isHome: route?.stages[0] === stage,
  };
}

/** Values lie in another order where the plan that made the block had other steps on the route. */
function targetOf(pipeline: CompiledPipeline, step: CompiledStep, made: RouteReader, columnCount: number): Target {
  const input = inputsOf(step.plan)[made.input]?.input;
  const route = input === undefined ? undefined : pipeline.routes.get(input);
  const own = route?.readers.find((reader) => reader.step === made.step && reader.input === made.input);
  assert(
    route !== undefined && own !== undefined && own.columns.length === made.columns.length,
    `steps of one contract read as many values: ${made.step}`,
  );
  const columns: number[] = route.columns.map(() => -1);
  for (const [index, column] of own.columns.entries()) {
    const from = made.columns[index] as number;
    assert(from < columnCount, `a block has the columns that its readers read: ${made.step}`);
    if (columns[column] !== -1 && columns[column] !== from) {
      throw new MillraceError(
        'PLAN_MISMATCH',
        `two columns of step ${made.step} share an aggregator now and did not when blocks were made that are still in the exchange. Deploy the plan from before, until they are read, or give each column an aggregator of its own.`,
      );
    }
    columns[column] = from;
  }
  const isSame = columns.every((from, column) => from === -1 || from === column);
  return { step, route: route.id, columns: isSame ? undefined : columns };
}

/** Made before plans said what their state means, so it fits its own plan only. */
function ofUnknownPlan(pipeline: CompiledPipeline, made: Made, what: string): MillraceError {
  return new MillraceError(
    'PLAN_MISMATCH',
    `${what} was made by plan ${made.plan.slice(0, 8)}, which does not say what its state means, and this host runs plan ${pipeline.planHash.slice(0, 8)} of pipeline ${pipeline.id}. Drain the exchange before deploying a changed plan, or start with new state.`,
  );
}

function lossOf(pipeline: CompiledPipeline, step: string, reason: string, what: string): MillraceError {
  return new MillraceError(
    'STATE_WOULD_BE_LOST',
    `${what} is of step ${step}, and in plan ${pipeline.planHash.slice(0, 8)} of pipeline ${pipeline.id} ${reason}. Deploy the plan from before, or allow the loss by its name: --drop-state ${step}. "millrace diff ${pipeline.id}" shows what differs.`,
  );
}
