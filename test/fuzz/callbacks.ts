import { deepStrictEqual } from 'node:assert/strict';
import { onlyFieldInSourceOf, readsInSourceOf } from '#shared/engine/compile/callback-source.ts';
import { Need } from '#shared/engine/compile/need.ts';
import type { AnyFunction } from '#shared/pipeline/reads.ts';
import type { Draw, FuzzTarget } from './targets.ts';

// Callbacks of all that JavaScript has, called with a record and with what is left of it when only what they are known to read was made.
// Nobody may tell the two apart: neither who is returned something, nor who is handed something on the way, nor who catches what is thrown.

export const callbackTargets: readonly FuzzTarget[] = [
  {
    name: 'callback-reads',
    group: 'scanner',
    tryOne: (draw) => {
      const text = callbackText(draw);
      const record = recordOf(draw, 0);
      const call = made(text, []);
      const only = onlyFieldInSourceOf(call);
      if (only !== undefined) deepStrictEqual(namesOf(() => call(record)) ?? [only], [only], text);
      const reads = readsInSourceOf(call);
      if (reads === undefined) return;
      const need = new Need();
      if (reads.need !== undefined) need.add(reads.need);
      // Whoever is given it may read all of it.
      for (const path of reads.results) need.at(path).isWhole = true;
      deepStrictEqual(outcomeOf(text, partOf(record, need)), outcomeOf(text, record), text);
    },
  },
];

/** `kept` is what it has handed to others. */
function made(text: string, kept: unknown[]): AnyFunction {
  const keep = (value: unknown): unknown => {
    kept.push(shown(value));
    return value;
  };
  return new Function('keep', `'use strict'; return (${text});`)(keep) as AnyFunction;
}

/** Of the fields of what is returned; undefined when nothing is. */
function namesOf(call: () => unknown): readonly string[] | undefined {
  let returned: unknown;
  try {
    returned = call();
  } catch {
    return undefined;
  }
  return Object.keys(returned as object);
}

function outcomeOf(text: string, record: unknown): unknown {
  const kept: unknown[] = [];
  try {
    return { kept, returned: shown(made(text, kept)(record)) };
  } catch (error) {
    return { kept, thrown: String(error) };
  }
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === 'function' ? 'a function' : one)) ?? 'undefined';
}

/** What is left of a value. */
function partOf(value: unknown, need: Need | undefined): unknown {
  if (need === undefined) return undefined;
  if (typeof value !== 'object' || value === null || need.isWhole) return value;
  // A name that every object has is asked of all of it, as in a scanner.
  if ([...need.fields.keys()].some((name) => name in Object.prototype)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) =>
      need.fields.has(name) ? [[name, partOf(inner, need.fields.get(name))] as const] : [],
    ),
  );
}

function recordOf(draw: Draw, depth: number): unknown {
  const names = fieldNames.filter(() => draw.chance(0.8));
  return Object.fromEntries(
    names.map((name) => {
      if (name.startsWith('n')) return [name, draw.pick<unknown>([0, 1, 'n1', 'o1', '', null, true])];
      return [name, depth < 3 && draw.chance(0.8) ? recordOf(draw, depth + 1) : draw.pick([null, 7])];
    }),
  );
}

const fieldNames = ['o1', 'o2', 'n1', 'n2'];

function callbackText(draw: Draw): string {
  const writer = new Writer(draw);
  const [params, names] = draw.pick<() => readonly [string, readonly string[]]>([
    () => ['r', ['r']],
    () => ['r', ['r']],
    () => ['r', ['r']],
    () => ['r', ['r']],
    () => ['r, t = 1', ['r']],
    () => ['r, t = r.n1', ['r']],
    () => ['{ o1, n1 }', ['o1', 'n1']],
    () => ['{ o1: { n1, o2: a }, o2 = {} }', ['n1', 'a', 'o2']],
    () => ['{ o1 = {}, ...others }', ['o1', 'others']],
    () => ["{ ['o1']: a }", ['a']],
  ])();
  const scope = [...names];
  if (draw.chance(0.3)) return `(${params}) => ${bracketed(writer.expression(scope, 3))}`;
  const body = Array.from({ length: 1 + draw.below(5) }, () => writer.statement(scope, 2)).join(' ');
  const end = `return ${writer.expression(scope, 2)};`;
  return draw.chance(0.7) ? `(${params}) => { ${body} ${end} }` : `function (${params}) { ${body} ${end} }`;
}

function bracketed(text: string): string {
  return text.startsWith('{') ? `(${text})` : text;
}

class Writer {
  readonly #draw: Draw;
  #names = 0;

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  statement(scope: string[], depth: number): string {
    const draw = this.#draw;
    const inner = (): string => this.expression(scope, depth);
    const name = (): string => {
      this.#names += 1;
      return `v${this.#names}`;
    };
    return draw.pick<() => string>([
      () => {
        const value = inner();
        const made = name();
        scope.push(made);
        return `${draw.pick(['const', 'const', 'let', 'var'])} ${made} = ${value};`;
      },
      () => {
        const value = inner();
        const made = name();
        scope.push(made);
        return `const { ${draw.pick(fieldNames)}: ${made} } = ${value} ?? {};`;
      },
      () => {
        const value = inner();
        const made = name();
        scope.push(made);
        return `const { ${draw.pick(['o1', 'o2'])}: { ${draw.pick(fieldNames)}: ${made} = ${inner()} } } = ${value};`;
      },
      () => `if (${inner()}) keep(${inner()});`,
      () => {
        const made = name();
        const body = this.expression(scope, depth - 1);
        scope.push(made);
        return `const ${made} = () => ${bracketed(body)};`;
      },
      () => {
        const made = name();
        const text = `function ${made}(x) { return ${this.expression([...scope, 'x'], depth - 1)}; }`;
        scope.push(made);
        return text;
      },
      () => `for (const x of [${inner()}]) keep(${this.expression([...scope, 'x'], depth - 1)});`,
      () => `try { keep(${inner()}); } catch (x) { keep(${draw.pick(scope)}); }`,
      () => `switch (${inner()}) { case ${inner()}: keep(1); break; default: keep(${inner()}); }`,
      () => `${draw.pick(scope)} = ${inner()};`,
    ])();
  }

  expression(scope: readonly string[], depth: number): string {
    const draw = this.#draw;
    if (depth <= 0) {
      if (draw.chance(0.2)) return draw.pick(['1', "'n1'", 'undefined', 'null']);
      return `${draw.pick(scope)}${draw.pick(['', `.${draw.pick(fieldNames)}`, `?.${draw.pick(fieldNames)}`, '?.o1?.n1', '?.o1.n1'])}`;
    }
    const inner = (): string => this.expression(scope, depth - 1);
    const field = (): string => draw.pick(fieldNames);
    const part = (): string => `(${inner()})${draw.pick(['.', '?.', '?.'])}${field()}`;
    return draw.pick<() => string>([
      part,
      part,
      part,
      part,
      () => `(${inner()})?.['${field()}']`,
      () => `(${inner()})?.[${inner()}]`,
      () => `((${inner()}) ${draw.pick(['??', '&&', '||', '===', '!==', '==', '+', ','])} (${inner()}))`,
      () => `(${inner()} ? ${inner()} : ${inner()})`,
      () => `(${draw.pick(['!', 'typeof ', 'void '])}(${inner()}))`,
      () => `keep(${inner()})`,
      () => `[${inner()}, ${inner()}]`,
      () => `[${inner()}][0]`,
      () => `({ a: ${inner()}, ${field()}: ${inner()} })`,
      () => `({ ${draw.pick([field(), '__proto__', `[${inner()}]`, `'${field()}'`])}: ${inner()} })`,
      () => `({ ...(${inner()}) })`,
      () => `({ a: ${inner()} }).a`,
      () => `(() => ${bracketed(inner())})()`,
      () => `((x) => ${bracketed(this.expression([...scope, 'x'], depth - 1))})(${inner()})`,
      () => `(${inner()})?.toString?.()`,
      () => `(${inner()})?.valueOf().${field()}`,
      () => `\`\${typeof (${inner()})}\``,
      () => `('${field()}' in Object(${inner()}))`,
    ])();
  }
}
