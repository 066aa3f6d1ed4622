import { MillraceError } from '#shared/schemas/error.ts';
import type { Json } from './aggregator.ts';
import {
  type Fields,
  nameOfLoss,
  type SourceContract,
  type StateContract,
  type StepContract,
  stateToken,
  whyLost,
} from './contract.ts';
import { canonicalJson } from './plan-hash.ts';

/**
 * What becomes of the state when one contract takes the place of another. `compatible`: it goes on. `migratable`: it goes on after what
 * `advice` says. `breaking`: the state of the step would be lost.
 */
export type DifferenceKind = 'compatible' | 'migratable' | 'breaking';

export interface Difference {
  readonly kind: DifferenceKind;
  /** The step whose state it is about. */
  readonly step?: string;
  /** What differs, with both values. */
  readonly what: string;
  /** What follows from it, and what to do. */
  readonly advice: string;
  /** Of a breaking difference: the name under which the loss is allowed. */
  readonly loss?: string;
}

/** Every difference of two contracts of one pipeline, those that cost state first. */
export function diffContracts(before: StateContract, after: StateContract): readonly Difference[] {
  const found = [...diffWhole(before, after), ...diffSources(before, after), ...diffSteps(before, after)];
  const order: readonly DifferenceKind[] = ['breaking', 'migratable', 'compatible'];
  return found.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

/**
 * Throws when state cannot go on: `STATE_WOULD_BE_LOST` for a breaking difference whose loss is not in `dropped`, `SLOTS_MISMATCH` for a
 * migratable one. `whose` says of what, for the message.
 */
export function refuseLosses(differences: readonly Difference[], dropped: readonly string[], whose: string): void {
  const lost = differences.filter(
    ({ kind, loss }) => kind === 'breaking' && !(loss !== undefined && dropped.includes(loss)),
  );
  if (lost.length > 0) throw new MillraceError('STATE_WOULD_BE_LOST', `${whose} would be lost.${describe(lost)}`);
  const moved = differences.filter(({ kind }) => kind === 'migratable');
  if (moved.length > 0) throw new MillraceError('SLOTS_MISMATCH', `${whose} has to be moved first.${describe(moved)}`);
}

function describe(differences: readonly Difference[]): string {
  return differences.map(({ what, advice }) => `\n  ${what}: ${advice}`).join('');
}

/** The names of the losses that stand between the contracts, each once. */
export function lossesOf(differences: readonly Difference[]): readonly string[] {
  return [...new Set(differences.flatMap(({ loss }) => loss ?? []))];
}

function diffWhole(before: StateContract, after: StateContract): readonly Difference[] {
  const found: Difference[] = [];
  const move = `Take a savepoint and restore it: millrace savepoint create ${after.pipeline}${after.slots < before.slots ? ' --drained' : ''}, then millrace savepoint restore into a deployment without state.`;
  if (before.slots !== after.slots) {
    const advice =
      after.slots < before.slots
        ? `Slots become one only when all of them have read the same: pause the producers first. ${move}`
        : move;
    found.push({ kind: 'migratable', what: change('slots', before.slots, after.slots), advice });
  }
  if (before.groups !== after.groups) {
    const has = [...before.steps, ...after.steps].some(({ placement }) => placement === 'lambda');
    found.push({
      kind: has ? 'migratable' : 'compatible',
      what: change('key groups', before.groups, after.groups),
      advice: has ? move : 'No step keeps its state by key group.',
    });
  }
  if (before.stateVersion > after.stateVersion)
    found.push({
      kind: 'breaking',
      what: change('version of the state', before.stateVersion, after.stateVersion),
      advice: 'This Millrace is older than the one that wrote the state, and cannot read it. Deploy the newer one.',
    });
  else if (before.stateVersion < after.stateVersion)
    found.push({
      kind: 'compatible',
      what: change('version of the state', before.stateVersion, after.stateVersion),
      advice: 'State of the old version is read, and written in the new one.',
    });
  return found;
}

function diffSources(before: StateContract, after: StateContract): readonly Difference[] {
  const found: Difference[] = [];
  for (const source of after.sources) {
    const known = before.sources.find(({ id }) => id === source.id);
    if (known === undefined)
      found.push({ kind: 'compatible', what: `source ${source.id} is new`, advice: 'It is read from its start.' });
    else found.push(...diffSource(known, source));
  }
  for (const { id } of before.sources) {
    if (after.sources.some((source) => source.id === id)) continue;
    found.push({ kind: 'compatible', what: `source ${id} is gone`, advice: 'Its stream is not read any more.' });
  }
  return found;
}

function diffSource(before: SourceContract, after: SourceContract): readonly Difference[] {
  return (['outOfOrdernessMs', 'idleAfterMs', 'whenSilent', 'formats'] as const).flatMap(
    (name): readonly Difference[] => {
      const [from, to] = [before[name] ?? null, after[name] ?? null];
      if (canonicalJson(from) === canonicalJson(to)) return [];
      const what = `source ${after.id}: ${change(name, from, to)}`;
      return [{ kind: 'compatible', what, advice: 'It holds for what is read from then on; a watermark never falls.' }];
    },
  );
}

function diffSteps(before: StateContract, after: StateContract): readonly Difference[] {
  const found: Difference[] = [];
  for (const step of after.steps) {
    const known = before.steps.find(({ id }) => id === step.id);
    if (known !== undefined) found.push(...diffStep(known, step));
    else
      found.push({
        kind: 'compatible',
        step: step.id,
        what: `step ${step.id} is new`,
        advice: 'It begins empty: windows that are open then hold only what comes after.',
      });
  }
  for (const step of before.steps) {
    if (after.steps.some(({ id }) => id === step.id)) continue;
    const heir = after.steps.find(
      (candidate) => !before.steps.some(({ id }) => id === candidate.id) && isAlike(candidate, step),
    );
    const rename =
      heir === undefined
        ? ''
        : ` ${heir.id} is the same under another name: give it back the name ${step.id} to keep its state.`;
    found.push(
      breaking(
        step,
        `step ${step.id} is gone`,
        `Its open windows, and the records on their way to it, would be lost.${rename}`,
      ),
    );
  }
  return found;
}

function diffStep(before: StepContract, after: StepContract): readonly Difference[] {
  const found: Difference[] = [];
  const at = `step ${after.id}`;
  if (before.placement !== after.placement)
    found.push(
      breaking(
        before,
        `${at}: ${change('placement', before.placement, after.placement)}`,
        `Its state would stay behind. Set placement: '${before.placement}' to keep it.`,
      ),
    );
  for (const what of changesOf(before.state, after.state))
    found.push(
      breaking(
        before,
        `${at}: ${what}`,
        'Its state is of another form. Under another name the new step may run beside it until its windows have closed.',
      ),
    );
  const reason = found.length === 0 ? whyLost(stateToken(before), stateToken(after)) : undefined;
  if (reason !== undefined) found.push(breaking(before, at, `${sentence(reason)}.`));
  else if (before.allowedLatenessMs !== after.allowedLatenessMs && found.length === 0)
    found.push({
      kind: 'compatible',
      step: after.id,
      what: `${at}: ${change('allowedLatenessMs', before.allowedLatenessMs, after.allowedLatenessMs)}`,
      advice: 'Windows close earlier from then on.',
    });
  for (const what of changesOf(before.free, after.free))
    found.push({ kind: 'compatible', step: after.id, what: `${at}: ${what}`, advice: 'Its state goes on.' });
  return found;
}

function breaking(step: StepContract, what: string, advice: string): Difference {
  const loss = nameOfLoss(step.id, stateToken(step));
  return {
    kind: 'breaking',
    step: step.id,
    what,
    advice: `${advice} To lose it, name it: --drop-state ${step.id} (with the CDK: -c drop-state=${step.id}).`,
    loss,
  };
}

function isAlike(a: StepContract, b: StepContract): boolean {
  return a.placement === b.placement && canonicalJson(a.state) === canonicalJson(b.state);
}

function changesOf(before: Fields, after: Fields): readonly string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name) => {
    const [a, b] = [before[name] ?? null, after[name] ?? null];
    return canonicalJson(a) === canonicalJson(b) ? [] : [change(name, a, b)];
  });
}

function change(name: string, before: Json, after: Json): string {
  return `${name} ${canonicalJson(before)} became ${canonicalJson(after)}`;
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
