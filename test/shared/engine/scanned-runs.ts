import { Buffer } from 'node:buffer';
import { compile } from '#shared/engine/compile/compile.ts';
import type { Need } from '#shared/engine/compile/need.ts';
import { needOf } from '#shared/engine/compile/source-need.ts';
import type { VisitTaken } from '#shared/engine/run.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { shapesOf } from '#shared/pipeline/shape.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import type { Random } from '#shared/testing/random.ts';

/** What the pipeline needs of its one source's records, sorted; `*` for all. */
export function neededBy(pipeline: Pipeline): string {
  const [source] = compile(pipeline).sources.values();
  if (source === undefined) throw new Error('the pipeline has no source');
  return [...textOf(needOf(source, shapesOf(source.schema)))].sort().join(' ');
}

function textOf(need: Need, path = ''): readonly string[] {
  if (need.isWhole || need.fields.size === 0) return [path === '' ? '*' : path];
  return [...need.fields].flatMap(([name, inner]) => textOf(inner, path === '' ? name : `${path}.${name}`));
}

/** One value is another, or the line is cut. */
export function spoiled(random: Random, line: string): string {
  if (random.chance(0.1)) return line.slice(0, -1);
  const at = random.pick([...line.matchAll(/:("[^"]*"|-?[\d.]+|true|false|null)/g)]);
  const other = random.pick(['null', '1', '-0', '"x"', '1.5', 'true', '[]', '{}']);
  return `${line.slice(0, at.index + 1)}${other}${line.slice(at.index + at[0].length)}`;
}

type Tables = NonNullable<Parameters<typeof createBoundedRun>[1]>;

interface Outcome {
  readonly rows: readonly unknown[];
  readonly rejections: readonly unknown[];
}

/** As files are read: by the scanner, which makes what is needed. */
export function runBytes(pipeline: Pipeline, source: string, lines: readonly string[], tables: Tables = {}): Outcome {
  const run = createBoundedRun(pipeline, tables);
  const rejections: unknown[] = [];
  const file = run.openFile(source, 'file');
  const visit: VisitTaken = ({ rejection }, { line, payload }) => {
    if (rejection !== undefined) rejections.push([line, payload, rejection.reason, rejection.message]);
  };
  file.read(Buffer.from(`${lines.join('\n')}\n`), visit);
  file.end(visit);
  return { rows: [...run.finish()], rejections };
}

/** By JSON.parse and the schema, whole. */
export function runParsed(pipeline: Pipeline, source: string, lines: readonly string[], tables: Tables = {}): Outcome {
  return runLinesOf(createBoundedRun(pipeline, tables, { readBy: 'schema' }), source, lines);
}

/** Line by line, by the scanner too. */
export function runLines(pipeline: Pipeline, source: string, lines: readonly string[], tables: Tables = {}): Outcome {
  return runLinesOf(createBoundedRun(pipeline, tables), source, lines);
}

function runLinesOf(run: ReturnType<typeof createBoundedRun>, source: string, lines: readonly string[]): Outcome {
  const rejections: unknown[] = [];
  for (const [index, line] of lines.entries()) {
    const { rejection } = run.takeLine(source, line, { origin: 'file', line: index + 1 }) ?? {};
    if (rejection !== undefined) rejections.push([index + 1, line, rejection.reason, rejection.message]);
  }
  return { rows: [...run.finish()], rejections };
}
