import { runScenario, type SeedResult } from './simulate.ts';
import type { Scenario } from './workload.ts';
import type { Flaws } from './world.ts';

/** The least history found that still goes wrong. */
export interface Shrunk {
  readonly scenario: Scenario;
  readonly withoutFaults: ReadonlySet<number>;
  readonly result: SeedResult;
  readonly tries: number;
}

const triesMax = 600;

/** Leaves out actions and faults, in ever smaller parts, as long as what remains still goes wrong. */
export async function shrink(scenario: Scenario, flaws: Flaws = {}): Promise<Shrunk | undefined> {
  let tries = 0;
  const attempt = async (candidate: Scenario, withoutFaults: ReadonlySet<number>): Promise<SeedResult | undefined> => {
    tries += 1;
    const result = await runScenario(candidate, { withoutFaults, flaws });
    return result.wrong.length > 0 ? result : undefined;
  };
  let best = scenario;
  let without: ReadonlySet<number> = new Set();
  const first = await attempt(best, without);
  if (first === undefined) return undefined;
  let faultCount = first.faultCount;
  for (let shrank = true; shrank && tries < triesMax; ) {
    shrank = false;
    for (
      let size = Math.ceil(best.actions.length / 2);
      size >= 1 && tries < triesMax;
      size = size === 1 ? 0 : Math.ceil(size / 2)
    ) {
      for (let from = best.actions.length - size; from > -size && tries < triesMax; from -= size) {
        const actions = best.actions.filter((_, index) => index < from || index >= from + size);
        if (actions.length === best.actions.length) continue;
        const result = await attempt({ ...best, actions }, without);
        if (result === undefined) continue;
        best = { ...best, actions };
        faultCount = result.faultCount;
        shrank = true;
      }
    }
    for (let size = faultCount; size >= 1 && tries < triesMax; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let from = 0; from < faultCount && tries < triesMax; from += size) {
        const fewer = new Set(without);
        for (let fault = from; fault < from + size; fault += 1) fewer.add(fault);
        if (fewer.size === without.size) continue;
        const result = await attempt(best, fewer);
        if (result === undefined) continue;
        without = fewer;
        faultCount = result.faultCount;
        shrank = true;
      }
    }
  }
  const result = await runScenario(best, { withoutFaults: without, withHistory: true, flaws });
  return { scenario: best, withoutFaults: without, result, tries };
}
