import type { CompiledSource } from '#shared/engine/compile/compile.ts';
import { needOf } from '#shared/engine/compile/source-need.ts';
import type { DecodeTools, LineDecoder } from '#shared/pipeline/decoder.ts';
import { shapesOf } from '#shared/pipeline/shape.ts';
import { JsonScanner } from './json-scanner.ts';

/** What a scanner has learned does not show, so that of a source serves all its readers: it is compiled, and warm, once in a process. */
const scanners = new WeakMap<CompiledSource, JsonScanner>();

/** Reads lines of JSON for a source whose first decoder of lines is `decoder`; undefined where the schema has no shape. */
export function scannerOf(
  source: CompiledSource,
  decoder: LineDecoder | undefined,
  tools: DecodeTools,
): JsonScanner | undefined {
  const known = scanners.get(source);
  if (known !== undefined || decoder?.isJson !== true) return known;
  const shapes = shapesOf(source.schema);
  if (shapes.length === 0) return undefined;
  const scanner = new JsonScanner(shapes, { tools, need: needOf(source, shapes) });
  scanners.set(source, scanner);
  return scanner;
}
