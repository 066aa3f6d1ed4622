import { hashHex } from '#shared/schemas/hash.ts';
import type { AnyAggregator, Json } from './aggregator.ts';
import { isStep, type Plan } from './plan.ts';

/**
 * Hex. Changes with everything that blocks, state, rows and placement depend on; not with callbacks, with the sentence that says why a step
 * is placed where it is, nor with the order in which options were written.
 *
 * Blocks and state hold columns by number. So their order counts, and so does which of them share an aggregator, for those are selected once.
 */
export function hashPlan(
  plan: Plan,
  aggregatesOf: (step: string) => Readonly<Record<string, AnyAggregator<unknown>>>,
): string {
  const selected = new Map<string, AnyAggregator<unknown>[]>();
  const nodes = plan.nodes.map((node) => {
    if (node.op !== 'aggregate' && node.op !== 'running' && isStep(node)) {
      const { reason: _, ...step } = node;
      return step;
    }
    if (node.op !== 'aggregate' && node.op !== 'running') return node;
    const ofRoute = selected.get(node.input) ?? [];
    selected.set(node.input, ofRoute);
    const columns = Object.entries(aggregatesOf(node.id)).map(([column, aggregator]) => {
      if (!ofRoute.includes(aggregator)) ofRoute.push(aggregator);
      return [column, ofRoute.indexOf(aggregator)];
    });
    const { reason: _, ...step } = node;
    return { ...step, columns };
  });
  return hashHex(canonicalJson({ ...plan, nodes } as unknown as Json));
}

/** JSON with sorted names: equal values give equal text, in whatever order they were written. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value as { readonly [name: string]: Json })
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
}
