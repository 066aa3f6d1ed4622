import { type AnyFunction, knownReadsOf, type ReadPath } from '#shared/pipeline/reads.ts';
import type { ObjectShape } from '#shared/pipeline/shape.ts';
import { readsInSourceOf } from './callback-source.ts';
import type { CompiledSource, TransformNode } from './compile.ts';
import { Need, wholeNeed } from './need.ts';
import { oncePer } from './once-per.ts';

/**
 * What of a source's records its `timestamp` and the callbacks behind it read (decision 0025), and what the shapes of its schema compute
 * fields of, which are always made. What is not in it may be left out of a record, and nobody can tell: a function of which it is not known
 * what it reads is taken to read all that it is given.
 */
export function needOf(
  { root, timestamp }: Pick<CompiledSource, 'root' | 'timestamp'>,
  shapes: readonly ObjectShape[] = [],
): Need {
  const need = new Need();
  const record = partsAt(need, [[]]);
  use(callWith(timestamp, record));
  const seen: Seen = new Map();
  for (const node of root.next) addNode(node, record, seen);
  // Each may read those before it.
  for (const { computed = [] } of shapes)
    for (const { name, evaluate } of computed.toReversed()) {
      need.fields.delete(name);
      use(callWith(evaluate, record));
    }
  return need;
}

/** A value on its way along a stream, and what of the source's record it is. */
interface Flow {
  /** Somebody reads this of it. */
  readonly use: (need: Need) => void;
  readonly at: (path: ReadPath) => Flow;
}

/** It is one of these parts of the record. */
function partsAt(need: Need, paths: readonly ReadPath[]): Flow {
  return {
    use: (used) => {
      for (const path of paths) need.at(path).add(used);
    },
    at: (inner) =>
      partsAt(
        need,
        paths.map((path) => [...path, ...inner]),
      ),
  };
}

/** It is an object with such fields; what else it has was computed, and is nothing of the record. */
function objectOf(fields: ReadonlyMap<string, Flow>): Flow {
  const object: Flow = {
    use: (used) => {
      for (const [name, field] of fields) {
        const inner = used.isWhole ? used : used.fields.get(name);
        if (inner !== undefined) field.use(inner);
      }
    },
    at: ([name, ...inner]) => (name === undefined ? object : (fields.get(name)?.at(inner) ?? nothing)),
  };
  return object;
}

function oneOf(flows: readonly Flow[]): Flow {
  const [only] = flows;
  if (flows.length === 1 && only !== undefined) return only;
  return {
    use: (used) => {
      for (const flow of flows) flow.use(used);
    },
    at: (inner) => oneOf(flows.map((flow) => flow.at(inner))),
  };
}

const nothing: Flow = { use: () => {}, at: () => nothing };
const touched = new Need();

function use(flow: Flow): void {
  flow.use(wholeNeed);
}

/** What has come to a node already: what stands behind unions of branches is reached on very many ways. */
type Seen = Map<TransformNode, Set<Flow>>;

function addNode(node: TransformNode, record: Flow, seen: Seen): void {
  const flows = seen.get(node) ?? new Set();
  if (flows.has(record)) return;
  seen.set(node, flows.add(record));
  const { binding, next, route } = node;
  let passedOn = record;
  switch (binding.op) {
    case 'filter':
      // It is looked at whether the result is true.
      callWith(binding.call, record).use(touched);
      break;
    case 'map':
      passedOn = callWith(binding.call, record);
      break;
    case 'flatMap':
      use(callWith(binding.call, record));
      passedOn = nothing;
      break;
    case 'enrich':
      use(callWith(binding.key, record));
      passedOn = callWith(binding.call, record);
      break;
    case 'union':
      break;
    case 'key':
      if (route === undefined) return;
      for (const call of [route.call, ...route.columns.map(({ select }) => select)]) use(callWith(call, record));
      return;
    default:
      use(record);
  }
  for (const one of next) addNode(one, passedOn, seen);
}

/** A callback's text is read once. */
const readsOf = oncePer(readsInSourceOf);

/** Notes what a callback reads of its argument. Gives what it may return of it. */
function callWith(call: AnyFunction, record: Flow, callers: readonly AnyFunction[] = []): Flow {
  const known = knownReadsOf(call);
  if (callers.includes(call) || known === undefined) {
    const reads = callers.includes(call) ? undefined : readsOf(call);
    if (reads?.need !== undefined) record.use(reads.need);
    if (reads !== undefined) return oneOf(reads.results.map((path) => record.at(path)));
    use(record);
    return nothing;
  }
  for (const path of known.paths) use(record.at(path));
  for (const inner of known.through) use(callWith(inner, record, [...callers, call]));
  const { parts } = known;
  return parts === undefined
    ? nothing
    : objectOf(new Map([...parts].map(([name, path]) => [name, record.at(path)] as const)));
}
