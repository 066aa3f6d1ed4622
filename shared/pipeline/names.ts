import { invalid, named, shown } from './refuse.ts';

/** Names of a pipeline's steps and of its streams: each stands for one thing. */
export function checkNames(pipeline: string, steps: readonly string[], streams: ReadonlySet<string>): void {
  if (steps.length === 0) throw invalid(pipeline, 'has no outputs; give it at least one branch that ends in .to(...).');
  const seen = new Set<string>();
  for (const step of steps) {
    checkName(`${pipeline}: step ${shown(step)}`, step);
    if (seen.has(step))
      throw invalid(
        `${pipeline}: step ${step}`,
        'has the name of another step, and the name is the identity of the state. Rename one.',
      );
    if (streams.has(step))
      throw invalid(
        `${pipeline}: step ${step}`,
        'has the name of a stream, and a name stands for one thing. Rename one.',
      );
    seen.add(step);
  }
}

/** An output is what `.to(...)` gives, with a sink at least. */
export function checkOutputs(pipeline: string, outputs: unknown): void {
  if (!Array.isArray(outputs))
    throw invalid(pipeline, 'has outputs that are no list; put them into one: [visits, sales].');
  for (const [index, output] of outputs.entries()) {
    if (output?.step?.sinks === undefined)
      throw invalid(pipeline, `output ${index + 1} is no finished branch; let it end in .to(...).`);
    if (output.step.sinks.length === 0)
      throw invalid(
        `${pipeline}: ${named('step', output.name)}`,
        'goes nowhere; name a sink, such as dynamodb({ ttl: days(7) }).',
      );
  }
}

export function checkName(where: string, name: unknown): void {
  if (typeof name !== 'string' || !nameForm.test(name))
    throw invalid(
      where,
      'is not a name: use lower-case letters, digits and hyphens, begin with a letter, at most 63 characters.',
    );
}

const nameForm = /^[a-z][a-z0-9-]{0,62}$/;
