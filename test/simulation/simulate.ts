import { check } from './checks.ts';
import { type Bias, createScenario, type Scenario } from './workload.ts';
import { type Replay, runWorld } from './world.ts';

export interface SeedResult {
  readonly seed: number;
  readonly wrong: readonly string[];
  readonly faults: ReadonlyMap<string, number>;
  readonly faultCount: number;
  readonly steps: number;
  readonly history: readonly string[];
}

export async function runSeed(seed: number, options: Replay & { readonly bias?: Bias } = {}): Promise<SeedResult> {
  return runScenario(createScenario(seed, options.bias), options);
}

export async function runScenario(scenario: Scenario, replay: Replay = {}): Promise<SeedResult> {
  const end = await runWorld(scenario, replay);
  const { faults, faultCount, steps, history } = end;
  return { seed: scenario.seed, wrong: await check(end), faults, faultCount, steps, history };
}
