import type { Selectors } from '#shared/pipeline/join.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { JoinPlan, ProcessPlan } from '#shared/pipeline/plan.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import type { Evaluation, OracleOutput } from './oracle.ts';

/** Every left record beside every right one, and those that are beside nobody. Nothing that is late takes part. */
export function joinedRowsOf(
  pipeline: Pipeline,
  step: JoinPlan,
  evaluation: Evaluation,
  late: ReadonlySet<string>,
): readonly PrintedRow[] {
  const outputsOf = (input: string): readonly OracleOutput[] =>
    [...evaluation.outputs.values()].filter((output) => output.route === input && !late.has(output.id));
  const lefts = outputsOf(step.left.input);
  const rights = outputsOf(step.right.input);
  const joins = (left: OracleOutput, right: OracleOutput): boolean =>
    left.key === right.key && right.timeMs >= left.timeMs + step.lowerMs && right.timeMs <= left.timeMs + step.upperMs;
  const found: { readonly left?: OracleOutput; readonly right?: OracleOutput }[] = [];
  for (const left of lefts) {
    const partners = rights.filter((right) => joins(left, right));
    for (const right of partners) found.push({ left, right });
    if (partners.length === 0 && step.kind !== 'inner') found.push({ left });
  }
  for (const right of rights) {
    if (step.kind === 'full' && !lefts.some((left) => joins(left, right))) found.push({ right });
  }
  return found
    .map(({ left, right }) => {
      const key = (left ?? right)?.key ?? '';
      const times = [left, right].flatMap((output) => (output === undefined ? [] : [output.timeMs]));
      const row = {
        view: step.id,
        final: true,
        ...decodeKey(key),
        leftTime: left === undefined ? null : new Date(left.timeMs).toISOString(),
        rightTime: right === undefined ? null : new Date(right.timeMs).toISOString(),
        ...selectedOf(selectorsOf(pipeline, step, step.left.input), left),
        ...selectedOf(selectorsOf(pipeline, step, step.right.input), right),
      };
      return { order: [Math.min(...times), key, Math.max(...times), JSON.stringify(row)] as const, row };
    })
    .sort((a, b) => compareTuples(a.order, b.order))
    .map(({ row }) => row as unknown as PrintedRow);
}

function selectedOf(
  selectors: Selectors<unknown>,
  output: OracleOutput | undefined,
): Readonly<Record<string, unknown>> {
  const columns: Record<string, unknown> = {};
  for (const [name, select] of Object.entries(selectors))
    columns[name] = output === undefined ? null : select(output.value);
  return columns;
}

/** Orders by the first difference. */
export function compareTuples(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at === -1 ? 0 : (a[at] as string) < (b[at] as string) ? -1 : 1;
}

/** Whether JSON holds the value as it is. */
export function isJson(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isJson);
  if (typeof value === 'object' && value !== null)
    return [Object.prototype, null].includes(Object.getPrototypeOf(value)) && Object.values(value).every(isJson);
  return ['string', 'boolean'].includes(typeof value) || value === null || Number.isFinite(value);
}

/** What a step selects from the records of one of its inputs. */
export function selectorsOf(pipeline: Pipeline, step: JoinPlan | ProcessPlan, input: string): Selectors<unknown> {
  const binding = pipeline.bindings.get(step.id);
  if (step.op === 'process' && binding?.op === 'process')
    return binding.selectors[step.inputs.findIndex((one) => one.input === input)] ?? {};
  if (step.op !== 'join' || binding?.op !== 'join') throw new Error(`the pipeline has no join ${step.id}`);
  return input === step.left.input ? binding.left : binding.right;
}
