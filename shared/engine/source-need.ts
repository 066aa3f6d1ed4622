import { type AnyFunction, knownReadsOf, type ReadPath } from '#shared/pipeline/reads.ts';
import { type CallbackReads, readsInSourceOf } from './callback-source.ts';
import type { CompiledSource, TransformNode } from './compile.ts';
import { Need } from './need.ts';

/**
 * What of a source's records its `timestamp` and the callbacks behind it read (decision 0025). What is not in it may be left out of a record,
 * and nobody can tell: a function of which it is not known what it reads is taken to read all that it is given.
 */
export function needOf({ root, timestamp }: Pick<CompiledSource, 'root' | 'timestamp'>): Need {
  const need = new Need();
  useResults(need, addReads(need, timestamp, [[]]));
  for (const node of root.next) addNode(need, node, [[]]);
  return need;
}

/** `paths` are what of the source's record the node's may be. */
function addNode(need: Need, node: TransformNode, paths: readonly ReadPath[]): void {
  const { binding, next, route } = node;
  let passedOn = paths;
  switch (binding.op) {
    case 'filter':
      // It is looked at whether the result is true.
      for (const path of addReads(need, binding.call, paths)) need.at(path);
      break;
    case 'map':
      passedOn = addReads(need, binding.call, paths);
      break;
    case 'flatMap':
      useResults(need, addReads(need, binding.call, paths));
      passedOn = [];
      break;
    case 'union':
      break;
    case 'key':
      if (route === undefined) return;
      for (const call of [route.call, ...route.columns.map(({ select }) => select)])
        useResults(need, addReads(need, call, paths));
      return;
    default:
      useResults(need, paths);
  }
  for (const one of next) addNode(need, one, passedOn);
}

/** Adds what a callback reads of its argument, which may be any of `paths`. Gives what of the record it may return. */
function addReads(need: Need, call: AnyFunction, paths: readonly ReadPath[]): readonly ReadPath[] {
  const reads = readsOf(call);
  if (reads === undefined) {
    useResults(need, paths);
    return [];
  }
  if (reads.need !== undefined) for (const path of paths) need.at(path).add(reads.need);
  return paths.flatMap((path) => reads.results.map((result) => [...path, ...result]));
}

function useResults(need: Need, paths: readonly ReadPath[]): void {
  for (const path of paths) need.at(path).isWhole = true;
}

/** Undefined when it is not known. */
function readsOf(call: AnyFunction): CallbackReads | undefined {
  const known = knownReadsOf(call);
  if (known === undefined) return readsInSourceOf(call);
  const need = new Need();
  let isTouched = false;
  for (const path of known.paths) {
    isTouched = true;
    need.at(path).isWhole = true;
  }
  for (const inner of known.through) {
    const reads = readsOf(inner);
    if (reads === undefined) return undefined;
    if (reads.need !== undefined) need.add(reads.need);
    useResults(need, reads.results);
    isTouched ||= reads.need !== undefined || reads.results.length > 0;
  }
  return { need: isTouched ? need : undefined, results: [] };
}
