import { onlyFieldInSourceOf } from '#shared/engine/compile/callback-source.ts';
import type { CompiledRoute, TransformNode } from '#shared/engine/compile/compile.ts';
import { oncePer } from '#shared/engine/compile/once-per.ts';
import { messageOf } from '#shared/engine/decode/decode.ts';
import { FoundKey } from '#shared/engine/keys/key.ts';
import type { KeyDictionary } from '#shared/engine/keys/key-dictionary.ts';
import { describe } from '#shared/pipeline/aggregators/numeric.ts';
import { outputsPerRecordMax } from '#shared/schemas/position.ts';
import { type Lookups, lookUp } from './lookups.ts';
import { Refusal } from './refusal.ts';

/** One output of a record: what a route's steps need of it. The object and its array are used again for the next record. */
export interface StagedOutput {
  route: CompiledRoute;
  readonly key: FoundKey;
  values: unknown[];
}

/** What a record has become so far. */
export class Staging {
  /** Only the first `count` are valid. */
  readonly outputs: StagedOutput[] = [];
  count = 0;
  /** How many (output, stage) pairs that is. */
  shares = 0;
  /** Event time. A field and not an argument: as one it would be made an object for each function on its way. */
  timeMs = 0;
  /** The node at hand. */
  where = '';
  /** What enrichments ask for their items. */
  lookups: Lookups = noLookups;
  /** Some item was not looked up yet, so what becomes of the record is not known. */
  isWaiting = false;
  /** By the route's index. */
  readonly #keys: readonly KeyDictionary[];

  constructor(keys: readonly KeyDictionary[]) {
    this.#keys = keys;
  }

  /** Makes room for one more output, which counts when its values are in it. */
  next(route: CompiledRoute, columns: ReturnType<CompiledRoute['call']>): StagedOutput {
    const output = this.#room(route);
    try {
      this.#keysOf(route).find(columns, output.key);
    } catch (error) {
      throw new Refusal('invalid', messageOf(error));
    }
    return output;
  }

  /** The same for an output whose key has one column. */
  nextOf(route: CompiledRoute, column: string, value: unknown): StagedOutput {
    const output = this.#room(route);
    try {
      this.#keysOf(route).findOf(column, value, output.key);
    } catch (error) {
      throw new Refusal('invalid', messageOf(error));
    }
    return output;
  }

  #keysOf({ index }: CompiledRoute): KeyDictionary {
    return this.#keys[index] as KeyDictionary;
  }

  #room(route: CompiledRoute): StagedOutput {
    let output = this.outputs[this.count];
    if (output === undefined) {
      output = { route, key: new FoundKey(), values: route.columns.map(() => undefined) };
      this.outputs[this.count] = output;
    }
    if (output.route !== route) output.route = route;
    // Setting the length of an array costs as much as all else that is done here, even where it stays the same.
    if (output.values.length !== route.columns.length) output.values.length = route.columns.length;
    return output;
  }
}

const noLookups: Lookups = { find: () => undefined };

/** Takes a record through the nodes below an origin. */
export type Transform = (record: unknown, staging: Staging) => void;

/**
 * The nodes below an origin as one function, which is made once: each call in it has one callee, so that the callbacks are compiled into it.
 * Nothing of the source comes from a record, and names are quoted.
 */
export const transformOf: (root: TransformNode) => Transform = oncePer(compileTransform);

function compileTransform(root: TransformNode): Transform {
  const code = new TransformCode();
  const body = code.visitAll(root.next, 'record');
  const source = `'use strict';\n${code.functions.join('\n')}\nreturn (record, staging) => {\n${body}};`;
  const lent = { lent: code.lent, tooMany, refuse, refuseParts, refuseLater, lookUp };
  return new Function(...Object.keys(lent), source)(...Object.values(lent)) as Transform;
}

const nodesInLineMax = 32;

class TransformCode {
  readonly functions: string[] = [];
  /** What the source calls, by number. */
  readonly lent: unknown[] = [];
  /** Functions of nodes: what stands behind a union is reached on several ways. */
  readonly #names = new Map<TransformNode, string>();
  #nodeCount = 0;
  /** Of the function at hand. */
  #nodesInLine = 0;

  /**
   * A node alone stands in line: a chain is one function, which is compiled once. Branches are functions, each of a bearable size, and so is what
   * goes on behind very many nodes: each list of a flatMap is a loop in the one before it, of which V8 bears some hundreds.
   */
  visitAll(nodes: readonly TransformNode[], value: string): string {
    const [only] = nodes;
    if (only !== undefined && nodes.length === 1 && only.binding.op !== 'union' && this.#nodesInLine < nodesInLineMax) {
      this.#nodesInLine += 1;
      return this.#bodyOf(only, value, this.#nextName());
    }
    return nodes.map((node) => `${this.#functionOf(node)}(${value}, staging);\n`).join('');
  }

  #functionOf(node: TransformNode): string {
    const known = this.#names.get(node);
    if (known !== undefined) return known;
    const name = this.#nextName();
    this.#names.set(node, name);
    const around = this.#nodesInLine;
    this.#nodesInLine = 0;
    const body = this.#bodyOf(node, 'value', name);
    this.#nodesInLine = around;
    this.functions.push(`const ${name} = (value, staging) => {\n${body}};`);
    return name;
  }

  #nextName(): string {
    this.#nodeCount += 1;
    return `node${this.#nodeCount}`;
  }

  /** What becomes of `value` at a node and behind it. */
  #bodyOf(node: TransformNode, value: string, name: string): string {
    return `staging.where = ${this.#lend(node.id, `${name}Id`)};\n${this.#stepOf(node, value, name)}`;
  }

  #stepOf({ binding, next, route }: TransformNode, value: string, name: string): string {
    if (binding.op === 'union') return this.visitAll(next, value);
    if (binding.op === 'key') return route === undefined ? '' : this.#stage(route, value, name);
    const its = this.#lend(binding, `${name}Binding`);
    const made = `${name}Made`;
    switch (binding.op) {
      case 'filter':
        return `const ${made} = ${its}.call(${value});\nif (${made}) {\n${refusingLater(made)}${this.visitAll(next, value)}}\n`;
      case 'map':
        return `const ${made} = ${its}.call(${value});\n${refusingLater(made)}${this.visitAll(next, made)}`;
      case 'flatMap':
        return `const ${name}Parts = ${its}.call(${value});
if (!Array.isArray(${name}Parts)) refuseParts(staging, ${name}Parts);
for (const ${made} of ${name}Parts) {\n${refusingLater(made)}${this.visitAll(next, made)}}\n`;
      case 'enrich':
        // The other branches are asked what they look up all the same.
        return `const ${name}Found = lookUp(${its}, staging.lookups, ${value});
if (${name}Found === undefined) staging.isWaiting = true;
else {\nconst ${made} = ${its}.call(${value}, ${name}Found.value);\n${refusingLater(made)}${this.visitAll(next, made)}}\n`;
      default:
        return '';
    }
  }

  #stage(route: CompiledRoute, value: string, name: string): string {
    const its = this.#lend(route, `${name}Route`);
    const columns = route.columns.map((column, index) => {
      const own = this.#lend(column, `${name}Column${index}`);
      const check =
        column.refuse === undefined
          ? ''
          : `const refusal${index} = ${own}.refuse(value${index}); if (refusal${index} !== undefined) refuse(${own}, refusal${index});\n`;
      return `const value${index} = ${own}.select(${value}, staging.timeMs);\n${check}values[${index}] = value${index};\n`;
    });
    const key = `${its}.call(${value}${route.takesTime === true ? ', staging.timeMs' : ''})`;
    const only = onlyFieldInSourceOf(route.call);
    const column = JSON.stringify(only);
    return `if (staging.count >= ${outputsPerRecordMax}) tooMany();
const { values } = ${only === undefined ? `staging.next(${its}, ${key})` : `staging.nextOf(${its}, ${column}, ${key}[${column}])`};
${columns.join('')}staging.count += 1;
staging.shares += ${route.stages.length};
`;
  }

  /** A constant of the source. */
  #lend(what: unknown, name: string): string {
    this.functions.push(`const ${name} = lent[${this.lent.length}];`);
    this.lent.push(what);
    return name;
  }
}

function tooMany(): never {
  throw new Refusal('too-large', `the record became more than ${outputsPerRecordMax} outputs`);
}

function refuse({ label }: CompiledRoute['columns'][number], refusal: string): never {
  throw new Refusal('invalid', `${label}: ${refusal}`);
}

/**
 * What comes later is not waited for: a filter would keep all, and whatever reads a field of it would find none. In line, since each node has
 * values of its own kind.
 */
function refusingLater(name: string): string {
  return `if (typeof ${name} === 'object' && ${name} !== null && typeof ${name}.then === 'function') refuseLater(staging, ${name});\n`;
}

function refuseLater(
  { where }: Staging,
  later: { readonly then: (taken: undefined, failed: () => void) => void },
): never {
  // Nobody else hears when it fails, which would end the process.
  later.then(undefined, () => {});
  throw new Refusal('invalid', `${where} gave a promise, which is not waited for; look things up with enrich instead`);
}

/** A text could be taken part by part, too, and nobody means its characters. */
function refuseParts({ where }: Staging, parts: unknown): never {
  throw new Refusal(
    'invalid',
    `${where} gave ${describe(parts)}; it must give a list, such as [record], or [] for none`,
  );
}
