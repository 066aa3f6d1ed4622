import type { AnyAggregator } from './aggregator.ts';
import type { Binding } from './pipeline.ts';
import { knownReadsOf } from './reads.ts';
import { invalid, shown } from './refuse.ts';

/**
 * Throws `PIPELINE_INVALID` unless what a node calls are functions, and none of them asynchronous: a promise would pass every filter, and count
 * as whatever it is asked for. Types say the same, and a pipeline also runs where nobody has checked them.
 */
export function checkCallbacks(where: string, binding: Binding): void {
  const check = (what: string, call: unknown): void => checkCallback(where, what, call);
  switch (binding.op) {
    case 'source':
      check('timestamp', binding.timestamp);
      break;
    case 'filter':
    case 'map':
    case 'flatMap':
      check(`what ${binding.op} is given`, binding.call);
      break;
    case 'key':
      check('what keyBy is given', binding.call);
      break;
    case 'enrich':
      check('key', binding.key);
      check('what enrich is given', binding.call);
      break;
    case 'join':
      checkSelectors(where, binding.left);
      checkSelectors(where, binding.right);
      break;
    case 'process':
      check('state', binding.callbacks.initial);
      for (const selectors of binding.selectors) checkSelectors(where, selectors);
      break;
    // What their steps were given was looked at with them.
    case 'aggregate':
    case 'running':
    case 'select':
    case 'top':
    case 'union':
      break;
  }
}

/** Looks at what a callback calls as well, where that is known. */
export function checkCallback(where: string, what: string, call: unknown): void {
  if (typeof call !== 'function')
    throw invalid(where, `${what} is ${shown(call)}, and must be a function, such as (record) => record.price.`);
  if (Object.prototype.toString.call(call) === '[object GeneratorFunction]')
    throw invalid(
      where,
      `${what} is a generator function, whose result is no value yet; give a function that returns one.`,
    );
  if (asynchronous.test(Object.prototype.toString.call(call)))
    throw invalid(
      where,
      `${what} is an async function, and callbacks are synchronous: a retry could not repeat what it found. Look things up with enrich.`,
    );
  for (const inner of knownReadsOf(call as () => unknown)?.through ?? []) checkCallback(where, what, inner);
}

const asynchronous = /Async/;

/** Throws `PIPELINE_INVALID` unless each column is made by a function. */
export function checkSelectors(where: string, columns: Readonly<Record<string, unknown>>): void {
  for (const [column, select] of Object.entries(columns)) checkCallback(where, `column ${column}`, select);
}

/** Throws `PIPELINE_INVALID` unless they are aggregators, and so is what they select with. */
export function checkAggregators(where: string, aggregates: Readonly<Record<string, AnyAggregator<unknown>>>): void {
  for (const [column, aggregator] of Object.entries(aggregates)) {
    if (typeof aggregator?.kind !== 'string')
      throw invalid(where, `column ${column} is ${shown(aggregator)}, and must be an aggregator, such as count().`);
    checkCallback(where, `what ${aggregator.kind} of column ${column} is given`, aggregator.select);
  }
}
