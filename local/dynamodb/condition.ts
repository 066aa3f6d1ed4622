/** An attribute's value as it is on the wire: exactly one of these, numbers in plain decimals and binaries in Base64. */
export interface Value {
  readonly S?: string;
  readonly N?: string;
  readonly B?: string;
  readonly BOOL?: boolean;
  readonly NULL?: boolean;
  readonly SS?: readonly string[];
  readonly NS?: readonly string[];
  readonly BS?: readonly string[];
  readonly L?: readonly Value[];
  readonly M?: Item;
}

export type Item = Readonly<Record<string, Value>>;

export type Path = readonly (string | number)[];

type Operand = Path | Value | { readonly type: 'function'; readonly name: 'size'; readonly args: readonly [Operand] };

/** A condition or a filter as dynalite has parsed it. */
export type Condition =
  | { readonly type: 'and' | 'or'; readonly args: readonly [Condition, Condition] }
  | { readonly type: 'not'; readonly args: readonly [Condition] }
  | { readonly type: '=' | '<>' | '<' | '<=' | '>' | '>=' | 'in' | 'between'; readonly args: readonly Operand[] }
  | { readonly type: 'function'; readonly name: string; readonly args: readonly Operand[] };

/**
 * Whether the condition holds for the item. What is not there is equal to nothing, and neither less nor greater than anything.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
 */
export function holds(condition: Condition, item: Item): boolean {
  switch (condition.type) {
    case 'and':
      return condition.args.every((arg) => holds(arg, item));
    case 'or':
      return condition.args.some((arg) => holds(arg, item));
    case 'not':
      return !holds(condition.args[0], item);
    default: {
      const [left, ...rest] = condition.args.map((operand) => resolve(operand, item));
      return compares(condition.type === 'function' ? condition.name : condition.type, left, rest);
    }
  }
}

export function compares(operator: string, left: Value | undefined, rest: readonly (Value | undefined)[]): boolean {
  const [right, last] = rest;
  switch (operator) {
    case '=':
      return isEqual(left, right);
    case '<>':
      return !isEqual(left, right);
    case '<':
      return order(left, right) < 0;
    case '<=':
      return order(left, right) <= 0;
    case '>':
      return order(left, right) > 0;
    case '>=':
      return order(left, right) >= 0;
    case 'between':
      return order(left, right) >= 0 && order(left, last) <= 0;
    case 'in':
      return rest.some((one) => isEqual(left, one));
    case 'attribute_exists':
      return left !== undefined;
    case 'attribute_not_exists':
      return left === undefined;
    case 'attribute_type':
      return left !== undefined && typeOf(left) === right?.S;
    case 'begins_with':
      return beginsWith(left, right);
    case 'contains':
      return contains(left, right);
    default:
      throw new Error(`${operator} is no operator of DynamoDB's conditions`);
  }
}

function resolve(operand: Operand, item: Item): Value | undefined {
  if (isPath(operand)) return valueAt(operand, item);
  return 'type' in operand ? sizeOf(resolve(operand.args[0], item)) : operand;
}

export function isPath(operand: unknown): operand is Path {
  return Array.isArray(operand);
}

/** What stands at a path of names and indexes. */
export function valueAt(path: Path, item: Item): Value | undefined {
  let value: Value | undefined = { M: item };
  for (const piece of path) {
    if (typeof piece === 'number') value = value?.L?.[piece];
    else value = value?.M !== undefined && Object.hasOwn(value.M, piece) ? value.M[piece] : undefined;
  }
  return value;
}

function typeOf(value: Value): string | undefined {
  return Object.keys(value)[0];
}

/** A number, a boolean or a null has no size. */
function sizeOf({ S, B, SS, NS, BS, L, M }: Value = {}): Value | undefined {
  const all = S ?? SS ?? NS ?? BS ?? L ?? (B === undefined ? M && Object.keys(M) : bytesOf(B));
  return all === undefined ? undefined : { N: String(all.length) };
}

function isEqual(one: Value | undefined, other: Value | undefined): boolean {
  if (one === undefined || other === undefined || typeOf(one) !== typeOf(other)) return false;
  if (one.N !== undefined) return order(one, other) === 0;
  if (one.L !== undefined)
    return one.L.length === other.L?.length && one.L.every((value, at) => isEqual(value, other.L?.[at]));
  if (one.M !== undefined) {
    const names = Object.keys(one.M);
    const isInOther = (name: string) => Object.hasOwn(other.M ?? {}, name) && isEqual(one.M?.[name], other.M?.[name]);
    return names.length === Object.keys(other.M ?? {}).length && names.every(isInOther);
  }
  const [elements, others] = [elementsOf(one), elementsOf(other)];
  if (elements !== undefined)
    return elements.length === others?.length && elements.every((value) => others.some((it) => isEqual(value, it)));
  return one.S === other.S && one.B === other.B && one.BOOL === other.BOOL;
}

/** The elements of a set. */
function elementsOf({ SS, NS, BS }: Value): readonly Value[] | undefined {
  return SS?.map((S) => ({ S })) ?? NS?.map((N) => ({ N })) ?? BS?.map((B) => ({ B }));
}

/** Less than, equal to or greater than 0; NaN for what has no order. Texts are in the order of their bytes. */
function order(one: Value | undefined, other: Value | undefined): number {
  if (one?.N !== undefined && other?.N !== undefined) return orderOfDecimals(one.N, other.N);
  if (one?.S !== undefined && other?.S !== undefined) return Buffer.from(one.S).compare(Buffer.from(other.S));
  if (one?.B !== undefined && other?.B !== undefined) return bytesOf(one.B).compare(bytesOf(other.B));
  return Number.NaN;
}

/** DynamoDB's numbers have more digits than a number has here. */
function orderOfDecimals(one: string, other: string): number {
  const digits = Math.max(fractionOf(one).length, fractionOf(other).length);
  const scaled = (text: string) => BigInt(text.replace(/\..*/, '') + fractionOf(text).padEnd(digits, '0'));
  const [a, b] = [scaled(one), scaled(other)];
  return a < b ? -1 : Number(a > b);
}

function fractionOf(text: string): string {
  return text.split('.')[1] ?? '';
}

function beginsWith(value: Value | undefined, start: Value | undefined): boolean {
  if (value?.S !== undefined && start?.S !== undefined) return value.S.startsWith(start.S);
  if (value?.B === undefined || start?.B === undefined) return false;
  const bytes = bytesOf(start.B);
  return bytesOf(value.B).subarray(0, bytes.length).equals(bytes);
}

/** A part of a text or of bytes, or an element of a set or a list. */
function contains(value: Value | undefined, part: Value | undefined): boolean {
  if (value === undefined || part === undefined) return false;
  if (value.S !== undefined) return part.S !== undefined && value.S.includes(part.S);
  if (value.B !== undefined) return part.B !== undefined && bytesOf(value.B).includes(bytesOf(part.B));
  return (value.L ?? elementsOf(value) ?? []).some((element) => isEqual(element, part));
}

function bytesOf(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}
