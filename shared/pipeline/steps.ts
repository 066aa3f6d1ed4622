import { MillraceError } from '#shared/schemas/error.ts';
import type { InputPlan } from './plan.ts';
import { named } from './refuse.ts';
import type { RowsNode, SourceNode, StepDefinition, StreamNode } from './stream.ts';

/**
 * The steps that `outputs` need, each once, inputs first: those of the outputs, and those whose rows feed them. A step that is an output
 * and feeds others is the output's, with its sinks. Throws `PIPELINE_INVALID` when two steps have one name.
 */
export function collectSteps(pipeline: string, outputs: readonly StepDefinition[]): readonly StepDefinition[] {
  const outputOf = new Map(outputs.map((step) => [step.name, step]));
  const collected = new Map<string, StepDefinition>();
  const collect = (step: StepDefinition): void => {
    const known = collected.get(step.name) ?? outputOf.get(step.name) ?? step;
    if (!isSameStep(known, step)) {
      throw new MillraceError(
        'PIPELINE_INVALID',
        `${pipeline}: ${named('step', step.name)} has the name of another step, and the name is the identity of the state. Rename one, or define the table once and use it twice.`,
      );
    }
    if (collected.has(step.name)) return;
    for (const origin of inputNodesOf(step).flatMap(originNodesOf)) if (origin.op === 'rows') collect(origin.step);
    // What it finds late is known when the view of it is told.
    if (step.op === 'select' && step.lateOf !== undefined) collect(step.lateOf);
    collected.set(known.name, known);
  };
  // Of two outputs with one name the check of names has more to say.
  for (const step of outputs) if (outputOf.get(step.name) === step) collect(step);
  return [...collected.values()];
}

/** The streams that a step reads, behind their keys. */
export function inputNodesOf(step: StepDefinition): readonly StreamNode[] {
  switch (step.op) {
    case 'join':
      return [step.left.key.input, step.right.key.input];
    case 'process':
      return step.inputs.map(({ key }) => key.input);
    case 'top':
      return [step.input];
    case 'aggregate':
    case 'select':
    case 'running':
      return [step.key.input];
  }
}

/** The nodes that a node reads, itself not a step. */
function nodesBefore(node: StreamNode): readonly StreamNode[] {
  if (node.op === 'union') return node.inputs;
  return 'input' in node ? [node.input] : [];
}

/** The streams, and the steps, that a node's records come from, each once. */
export function originsOf(node: StreamNode): readonly { readonly name: string; readonly isStep: boolean }[] {
  const origins = originNodesOf(node).map((origin) =>
    origin.op === 'rows' ? { name: origin.step.name, isStep: true } : { name: origin.name, isStep: false },
  );
  return origins.filter(({ name }, at) => origins.findIndex((other) => other.name === name) === at);
}

/** Each node is looked at once: a union may have many ways to the same one, twice as many with each union of one stream with itself. */
function originNodesOf(node: StreamNode): readonly (SourceNode | RowsNode)[] {
  const seen = new Set<StreamNode>();
  const origins: (SourceNode | RowsNode)[] = [];
  const visit = (one: StreamNode): void => {
    if (seen.has(one)) return;
    seen.add(one);
    if (one.op === 'source' || one.op === 'rows') origins.push(one);
    else for (const before of nodesBefore(one)) visit(before);
  };
  visit(node);
  return origins;
}

/** Where a node's records come from, as the plan says it. */
export function sourcesPlanOf(node: StreamNode): Pick<InputPlan, 'source' | 'sources'> {
  const names = originsOf(node).map(({ name }) => name);
  return { source: names[0] as string, ...(names.length === 1 ? {} : { sources: names }) };
}

/** What is derived from a table, and where its rows go, makes no other step of it. */
function isSameStep(a: StepDefinition, b: StepDefinition): boolean {
  return (Object.keys(a) as (keyof StepDefinition)[])
    .filter((name) => !shownWith.includes(name))
    .every((name) => Object.is(a[name], b[name]));
}

const shownWith: readonly string[] = ['sinks', 'derived', 'projection', 'types'];
