import { readFileSync } from 'node:fs';
import type { AnyAggregator, Json } from '#shared/pipeline/aggregator.ts';
import { all, type Sale } from './all.ts';

// A process of its own: restores the states that standard input holds, adds sales, and prints states and results.

const { states, sales } = JSON.parse(readFileSync(0, 'utf8')) as {
  readonly states: Readonly<Record<string, Json>>;
  readonly sales: readonly Sale[];
};
const printed = Object.entries<AnyAggregator<Sale>>(all).map(([name, aggregator]) => {
  let state: unknown = aggregator.decode(states[name] as Json);
  for (const sale of sales) state = aggregator.add(state, aggregator.select(sale, sale.at));
  return [name, { state: aggregator.encode(state), result: aggregator.result(state) }];
});
process.stdout.write(JSON.stringify(Object.fromEntries(printed)));
