import { type AnyNode, type Function as FunctionNode, parseExpressionAt } from 'acorn';
import type { AnyFunction, ReadPath } from '#shared/pipeline/reads.ts';
import { Need } from './need.ts';

/** What a callback does with its record, which is its first argument. */
export interface CallbackReads {
  /** Without what it returns as it is. Undefined when it looks at nothing. */
  readonly need: Need | undefined;
  /** What of the record it may return as it is: `(event) => event.bid` returns `['bid']`. */
  readonly results: readonly ReadPath[];
}

/**
 * What a callback reads of its record, by its own text: of `(bid) => bid.price * bid.rate` the fields `price` and `rate`. Undefined when the
 * text does not tell: of what is native, bound, a method or a class, or what does with the record anything that is not understood here.
 *
 * Sound by taking too much: whatever is not the reading of a field with a name that stands there, such as handing the record on, is a use of
 * all that is below. No name of the record, or of a part of it, may be declared twice.
 */
export function readsInSourceOf(call: AnyFunction): CallbackReads | undefined {
  // Others may ask a function of this old kind for its arguments.
  if (Object.hasOwn(call, 'arguments')) return undefined;
  try {
    const source = sourceOf(call);
    return source && new CallbackReader(source).read();
  } catch (error) {
    if (error instanceof NotUnderstood) return undefined;
    throw error;
  }
}

/**
 * The name of the one field of the objects that a callback returns, by its own text: of `({ ip }) => ({ ip })` it is `ip`. Undefined when the
 * text does not tell, or tells of more fields or none.
 */
export function onlyFieldInSourceOf(call: AnyFunction): string | undefined {
  const source = sourceOf(call);
  if (source === undefined || source.async || source.body.type !== 'ObjectExpression') return undefined;
  const [field, ...others] = source.body.properties;
  if (field?.type !== 'Property' || others.length > 0 || field.kind !== 'init') return undefined;
  const name = nameOf(field.key, field.computed);
  // That is the object's prototype.
  return name === '__proto__' ? undefined : name;
}

function sourceOf(call: AnyFunction): FunctionNode | undefined {
  const text = toText.call(call);
  // Where it is not a module's they begin comments, so that others of its comments are none.
  if (text.includes('<!--') || text.includes('-->')) return undefined;
  try {
    const source = parseExpressionAt(`(${text}\n)`, 0, { ecmaVersion: 'latest', sourceType: 'module' });
    return source.type === 'ArrowFunctionExpression' || source.type === 'FunctionExpression' ? source : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Kept, since anybody may put another one in its place. */
const toText = Function.prototype.toString;

class NotUnderstood extends Error {}

type Paths = readonly ReadPath[];
const none: Paths = [];
/** A name that comes to stand for ever deeper parts of itself would never end. */
const pathLengthMax = 16;
const aliasesMax = 200;

class CallbackReader {
  readonly #source: FunctionNode;
  /** The parts of the record that a name may stand for, wherever in the callback it is used. */
  readonly #aliases = new Map<string, Map<string, ReadPath>>();
  #aliasCount = 0;
  readonly #need = new Need();
  #isTouched = false;
  #results: ReadPath[] = [];
  /** In how many functions inside the callback. */
  #depth = 0;

  constructor(source: FunctionNode) {
    this.#source = source;
  }

  read(): CallbackReads {
    const names = declaredNames(this.#source as AnyNode);
    // A function may use a name that is declared below it, so it is read again until no name stands for more.
    for (let before = -1; before !== this.#aliasCount; ) {
      before = this.#aliasCount;
      this.#results = [];
      this.#readCallback();
    }
    for (const name of this.#aliases.keys()) if (names.get(name) !== 1) throw new NotUnderstood();
    return { need: this.#isTouched ? this.#need : undefined, results: this.#results };
  }

  #readCallback(): void {
    const { params, body } = this.#source;
    const [record, ...others] = params;
    if (record?.type === 'RestElement') throw new NotUnderstood();
    if (record !== undefined) this.#bind(record, [[]]);
    for (const other of others) this.#use(other);
    if (body.type === 'BlockStatement') this.#use(body);
    else this.#return(body);
  }

  /** What a generator returns, or a promise gives, is taken for what the callback returns: to get at it is a use of it. */
  #return(value: AnyNode | null | undefined): void {
    if (value === null || value === undefined) return;
    if (this.#depth > 0) this.#use(value);
    else this.#results.push(...this.#partsIn(value));
  }

  /** Whatever may become of the value of an expression; what a statement does. */
  #use(node: AnyNode): void {
    for (const path of this.#partsIn(node)) this.#touch(path).isWhole = true;
  }

  /** It is looked at whether there is a value; of an object nothing else. */
  #test(node: AnyNode): void {
    for (const path of this.#partsIn(node)) this.#touch(path);
  }

  #touch(path: ReadPath): Need {
    this.#isTouched = true;
    return this.#need.at(path);
  }

  /** The parts of the record that the value of an expression may be. All else that it does with the record is noted. */
  #partsIn(node: AnyNode): Paths {
    switch (node.type) {
      case 'Identifier':
        return [...(this.#aliases.get(node.name)?.values() ?? none)];
      case 'ChainExpression':
        return this.#partsIn(node.expression);
      case 'MemberExpression':
        return this.#partsOfMember(node);
      case 'ConditionalExpression':
        this.#test(node.test);
        return [...this.#partsIn(node.consequent), ...this.#partsIn(node.alternate)];
      case 'LogicalExpression':
        // Behind && the left value is the result only where it is none.
        this.#test(node.left);
        if (node.operator === '&&') return this.#partsIn(node.right);
        return [...this.#partsIn(node.left), ...this.#partsIn(node.right)];
      case 'CallExpression':
      case 'NewExpression':
        this.#useCallee(node.callee);
        for (const one of node.arguments) this.#use(one);
        return none;
      case 'TaggedTemplateExpression':
        this.#useCallee(node.tag);
        this.#use(node.quasi);
        return none;
      case 'UnaryExpression':
        if (node.operator === 'delete') this.#refuseChange(node.argument);
        if (node.operator === '!' || node.operator === 'typeof') this.#test(node.argument);
        else this.#use(node.argument);
        return none;
      case 'BinaryExpression': {
        const name = node.operator === 'in' ? nameOf(node.left as AnyNode, true) : undefined;
        if (name !== undefined) {
          for (const path of this.#partsIn(node.right)) {
            this.#touch(path);
            this.#touch(inside(path, name));
          }
          return none;
        }
        const isSame = node.operator === '===' || node.operator === '!==';
        for (const side of [node.left, node.right]) isSame ? this.#test(side) : this.#use(side);
        return none;
      }
      case 'UpdateExpression':
        this.#refuseChange(node.argument);
        this.#use(node.argument);
        return none;
      case 'AssignmentExpression':
        this.#refuseChange(node.left);
        this.#use(node.left);
        this.#use(node.right);
        return none;
      case 'Property':
      case 'MethodDefinition':
      case 'PropertyDefinition':
        if (node.computed) this.#use(node.key);
        if (node.value !== null && node.value !== undefined) this.#use(node.value);
        return none;
      case 'IfStatement':
        this.#test(node.test);
        this.#use(node.consequent);
        if (node.alternate !== null && node.alternate !== undefined) this.#use(node.alternate);
        return none;
      case 'VariableDeclaration':
        for (const { id, init } of node.declarations) {
          if (init === null || init === undefined) this.#use(id);
          else if (node.kind === 'const') this.#bind(id, this.#partsIn(init));
          else {
            this.#use(init);
            this.#use(id);
          }
        }
        return none;
      case 'ReturnStatement':
        this.#return(node.argument);
        return none;
      case 'ArrowFunctionExpression':
      case 'FunctionExpression':
      case 'FunctionDeclaration':
        this.#depth += 1;
        for (const part of childrenOf(node)) this.#use(part);
        this.#depth -= 1;
        return none;
      case 'WithStatement':
        throw new NotUnderstood();
      default:
        for (const part of childrenOf(node)) this.#use(part);
        return none;
    }
  }

  #partsOfMember(node: Extract<AnyNode, { type: 'MemberExpression' }>): Paths {
    const paths = this.#partsIn(node.object);
    const name = nameOf(node.property, node.computed);
    if (name === undefined) {
      for (const path of paths) this.#touch(path).isWhole = true;
      if (node.computed) this.#use(node.property);
      return none;
    }
    for (const path of paths) this.#touch(path);
    return paths.map((path) => inside(path, name));
  }

  /** What is called as a method has its object for `this`. */
  #useCallee(callee: AnyNode): void {
    const inner = callee.type === 'ChainExpression' ? callee.expression : callee;
    if (inner.type === 'MemberExpression') this.#use(inner.object);
    this.#use(callee);
  }

  /** A record that is changed is another one to whoever reads it next. */
  #refuseChange(target: AnyNode): void {
    const inner = target.type === 'ChainExpression' ? target.expression : target;
    if (inner.type === 'MemberExpression' && this.#partsIn(inner.object).length > 0) throw new NotUnderstood();
    if (inner.type === 'ObjectPattern' || inner.type === 'ArrayPattern') throw new NotUnderstood();
  }

  /** Gives names to parts of the record. */
  #bind(pattern: AnyNode, paths: Paths): void {
    if (paths.length === 0) {
      this.#use(pattern);
      return;
    }
    switch (pattern.type) {
      case 'Identifier':
        this.#addAlias(pattern.name, paths);
        return;
      case 'AssignmentPattern':
        for (const path of paths) this.#touch(path);
        this.#bind(pattern.left, [...paths, ...this.#partsIn(pattern.right)]);
        return;
      case 'ObjectPattern':
        for (const path of paths) this.#touch(path);
        for (const property of pattern.properties) {
          const name = property.type === 'Property' ? nameOf(property.key, property.computed) : undefined;
          if (property.type !== 'Property' || name === undefined) throw new NotUnderstood();
          this.#bind(
            property.value,
            paths.map((path) => inside(path, name)),
          );
        }
        return;
      default:
        throw new NotUnderstood();
    }
  }

  #addAlias(name: string, paths: Paths): void {
    const aliases = this.#aliases.get(name) ?? new Map<string, ReadPath>();
    this.#aliases.set(name, aliases);
    for (const path of paths) {
      const text = JSON.stringify(path);
      if (aliases.has(text)) continue;
      aliases.set(text, path);
      this.#aliasCount += 1;
      if (this.#aliasCount > aliasesMax) throw new NotUnderstood();
    }
  }
}

function inside(path: ReadPath, name: string): ReadPath {
  if (path.length >= pathLengthMax) throw new NotUnderstood();
  return [...path, name];
}

/** The name of a field, where it stands in the text. */
function nameOf(key: AnyNode, isComputed: boolean): string | undefined {
  if (!isComputed && key.type === 'Identifier') return key.name;
  return key.type === 'Literal' && typeof key.value === 'string' ? key.value : undefined;
}

/** The names that are declared anywhere in the callback, and how often. */
function declaredNames(root: AnyNode): ReadonlyMap<string, number> {
  const names = new Map<string, number>();
  const declare = (pattern: AnyNode | null | undefined): void => {
    if (pattern === null || pattern === undefined) return;
    switch (pattern.type) {
      case 'Identifier':
        names.set(pattern.name, (names.get(pattern.name) ?? 0) + 1);
        return;
      case 'AssignmentPattern':
        declare(pattern.left);
        return;
      case 'Property':
        declare(pattern.value);
        return;
      case 'RestElement':
        declare(pattern.argument);
        return;
      case 'ObjectPattern':
      case 'ArrayPattern':
        for (const part of childrenOf(pattern)) declare(part);
        return;
    }
  };
  const walk = (node: AnyNode): void => {
    switch (node.type) {
      case 'Identifier':
        // They reach what has no name here.
        if (node.name === 'arguments' || node.name === 'eval') throw new NotUnderstood();
        return;
      case 'VariableDeclarator':
        declare(node.id);
        break;
      case 'ArrowFunctionExpression':
      case 'FunctionExpression':
      case 'FunctionDeclaration':
        declare(node.id);
        for (const param of node.params) declare(param);
        break;
      case 'ClassDeclaration':
      case 'ClassExpression':
        declare(node.id);
        break;
      case 'CatchClause':
        declare(node.param);
        break;
    }
    for (const part of childrenOf(node)) walk(part);
  };
  walk(root);
  return names;
}

function childrenOf(node: AnyNode): readonly AnyNode[] {
  return Object.values(node).flatMap((value: unknown) => (Array.isArray(value) ? value : [value]).filter(isNode));
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}
