import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChild } from './child.ts';
import { comparisons, queries, type Side } from './queries.ts';
import type { SideReport, Spent } from './query-side.ts';
import { tableOf, whole } from './table.ts';

export interface EngineOptions {
  /** In turn, each side in a fresh process. */
  readonly rounds: number;
  readonly seed: number;
  /** `check`: a ratio that has fallen by more than 15 % below the baseline's is an error. `write`: the baseline becomes what was measured. */
  readonly baseline?: 'check' | 'write';
}

export interface EngineReport {
  readonly text: string;
  /** Comparisons that have fallen. */
  readonly fallen: readonly string[];
}

const fallMax = 0.15;
const baselinePath = new URL('baseline.json', import.meta.url);

/** Every query in every mode, and what `comparisons` sets side by side: medians over the rounds, of memory the most. */
export async function benchEngine({ rounds, seed, baseline }: EngineOptions): Promise<EngineReport> {
  const sides = new Map<string, Side>();
  for (const { of, by } of Object.values(comparisons)) for (const side of [of, by]) sides.set(nameOf(side), side);
  const reports = new Map<string, SideReport[]>([...sides.keys()].map((name) => [name, []]));
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const files = writeFiles(folder, seed);
    for (let round = 0; round < rounds; round += 1)
      for (const [name, side] of sides) {
        const report = await runChild('query-side.ts', [JSON.stringify(side), files.get(side.query) as string]);
        reports.get(name)?.push(report as SideReport);
      }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const known = JSON.parse(readFileSync(baselinePath, 'utf8')) as Readonly<Record<string, number>>;
  const ratiosOf = (spent: (report: SideReport) => Spent): readonly (readonly [name: string, ratio: number])[] =>
    Object.entries(comparisons).map(([name, { of, by }]) => {
      const rates = (side: Side): readonly number[] =>
        (reports.get(nameOf(side)) ?? []).map((report) => queries[side.query].load.recordCount / spent(report).cpuMs);
      const ratesOfOther = rates(by);
      return [name, medianOf(rates(of).map((rate, round) => rate / (ratesOfOther[round] ?? Number.NaN)))];
    });
  const ratios = ratiosOf(({ warm }) => warm);
  const coldRatios = new Map(ratiosOf(({ cold }) => cold));
  if (baseline === 'write') {
    const rounded = Object.fromEntries(ratios.map(([name, ratio]) => [name, Number(ratio.toFixed(2))]));
    writeFileSync(baselinePath, `${JSON.stringify(rounded, undefined, 2)}\n`);
  }
  const fallen = ratios.flatMap(([name, ratio]) => (ratio < (known[name] ?? 0) * (1 - fallMax) ? [name] : []));
  const ratioLines = ratios.map(([name, ratio]) => [
    name,
    ratio.toFixed(2),
    known[name]?.toFixed(2) ?? 'none',
    coldRatios.get(name)?.toFixed(2) ?? 'none',
  ]);
  return {
    text: `${tableOf(
      sideHead,
      [...reports].map(([name, all]) => lineOf(sides.get(name) as Side, all)),
    )}\n\n${tableOf(['rate, by CPU time', 'ratio', 'baseline', 'cold'], ratioLines)}\n`,
    fallen: baseline === 'check' ? fallen : [],
  };
}

const sideHead = [
  'query',
  'mode',
  'by',
  'records',
  'records/s',
  'records/CPU s',
  'CPU s',
  'cold',
  'peak RSS MB',
  'rows',
  'rows are',
];

function lineOf(side: Side, reports: readonly SideReport[]): string[] {
  const { recordCount } = queries[side.query].load;
  const cpuMs = medianOf(reports.map(({ warm }) => warm.cpuMs));
  return [
    side.query,
    side.mode,
    side.by,
    whole(recordCount),
    whole(recordCount / (medianOf(reports.map(({ warm }) => warm.wallMs)) / 1_000)),
    whole(recordCount / (cpuMs / 1_000)),
    (cpuMs / 1_000).toFixed(2),
    (medianOf(reports.map(({ cold }) => cold.cpuMs)) / 1_000).toFixed(2),
    whole(Math.max(...reports.map(({ rssBytesMax }) => rssBytesMax)) / 1e6),
    whole(reports[0]?.rowCount ?? 0),
    [...new Set(reports.map(({ sha256 }) => sha256.slice(0, 8)))].join(' '),
  ];
}

/** By query. */
function writeFiles(folder: string, seed: number): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const [name, { load }] of Object.entries(queries)) {
    const path = join(folder, load.file);
    if (![...paths.values()].includes(path)) load.write(path, seed);
    paths.set(name, path);
  }
  return paths;
}

function nameOf({ query, mode, by }: Side): string {
  return `${query} ${mode} ${by}`;
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
