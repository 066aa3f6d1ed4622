import type { CompiledStep } from '#shared/engine/compile/compile.ts';
import { type Formula, numberIn } from '#shared/pipeline/derive.ts';
import { definedOf, ownValue, property } from '#shared/pipeline/source-text.ts';
import { decodeKey, unescapeText } from '#shared/schemas/key.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';

/** A window's totals over all keys, by column. */
export type Totals = Readonly<Record<string, number | null | object>>;

/** Values by column. */
export type Columns = Readonly<Record<string, unknown>>;

/** What the rows of one window have in common. */
export interface RowHead {
  readonly windowStart: string;
  readonly windowEnd: string;
  readonly windowSeconds: number;
  readonly final: boolean;
  /** Undefined where they are not known: the columns that need them are left out. */
  readonly totals: Totals | undefined;
}

/** A derived column. */
export type NamedFormula = readonly [name: string, formula: Formula];

/** `columns` are the row's own by name, or lists of values by the number of the column. Undefined: the key has other columns. */
export type PrintRow = (
  head: RowHead,
  key: string,
  columns: Columns | readonly (readonly unknown[])[],
  at: number,
  others: Columns | undefined,
) => PrintedRow | undefined;

/** What a function knows of the rows that it prints. */
export interface PrintVariant {
  /** As `columnsOfKey` gives them; undefined for keys of any columns. */
  readonly keyColumns: readonly string[] | undefined;
  readonly isPlaced: boolean;
  readonly hasOthers: boolean;
  readonly hasTotals: boolean;
}

/** Makes the function that prints the rows of a step, of one variant. */
export function compilePrint(step: CompiledStep, derived: readonly NamedFormula[], variant: PrintVariant): PrintRow {
  const { isPlaced, hasOthers, hasTotals } = variant;
  const key = showsKey(step) ? keyCode(variant.keyColumns) : { lines: [], properties: [] };
  const values = step.columns.map((name, index) => (isPlaced ? `columns[${index}][at]` : ownValue('columns', name)));
  const names = step.columns.map((_, index) => `value${index}`);
  const own = step.columns.map((name, index) => property(name, `value${index}`));
  const others = hasOthers ? ['...others'] : [];
  const derivedCode = derived
    .filter(([, { inputs }]) => hasTotals || !inputs.some((input) => input.of === 'totals'))
    .map((one, index) => formulaCode(step, one, index));
  const properties = [
    property('view', JSON.stringify(step.plan.id)),
    ...(showsWindow(step) ? ['windowStart: head.windowStart', 'windowEnd: head.windowEnd'] : []),
    ...(step.op === 'running' ? [] : ['final: head.final']),
    ...key.properties,
    ...(isRankKeyed(step) ? [...others, ...own] : [...own, ...others]),
    ...derivedCode.map(({ property }) => property),
  ];
  const isSparse = names.map((name) => `${name} === undefined`).join(' || ') || 'false';
  const source = `'use strict';
return (head, key, columns, at, others) => {
${key.lines.join('\n')}
${names.map((name, index) => `const ${name} = ${values[index]};\n`).join('')}
const printed = {
${properties.join(',\n')}
};
return ${isSparse} ? definedOf(printed) : printed;
};`;
  const lent = Object.assign({ numberIn, unescapeText, decodeKey, definedOf }, ...derivedCode.map(({ lent }) => lent));
  return new Function(...Object.keys(lent), source)(...Object.values(lent)) as PrintRow;
}

/** Puts a row's columns into lists of their own, at one place in each. */
export type KeepColumns = (columns: Columns, lists: readonly unknown[][], place: number) => void;

/** Makes the function that keeps rows of these columns, for a printer to print from. */
export function compileKeep(names: readonly string[]): KeepColumns {
  const lines = names.map((name, index) => `lists[${index}][place] = ${ownValue('columns', name)};`);
  return new Function('columns', 'lists', 'place', `'use strict';\n${lines.join('\n')}`) as KeepColumns;
}

/** Reads the key's columns one after the other, as `decodeKey` does, and gives the key up where it has others. */
function keyCode(columns: readonly string[] | undefined): { readonly lines: string[]; readonly properties: string[] } {
  if (columns === undefined) return { lines: [], properties: ['...decodeKey(key)'] };
  const lines: string[] = [];
  const properties = columns.map((column, index) => {
    const start = index === 0 ? '0' : `end${index - 1} + 1`;
    const isLast = index === columns.length - 1;
    lines.push(
      `const start${index} = ${start} + ${column.length + 1};`,
      `if (!key.startsWith(${JSON.stringify(`${column}=`)}, ${start})) return undefined;`,
      `const end${index} = key.indexOf('&', start${index});`,
      `if (end${index} ${isLast ? '!==' : '==='} -1) return undefined;`,
      `const text${index} = key.slice(start${index}${isLast ? '' : `, end${index}`});`,
    );
    const [name = '', tag] = column.split(':');
    const text = `text${index}`;
    return property(
      name,
      tag === 'n' ? `Number(${text})` : tag === 'b' ? `${text} === 'true'` : `unescapeText(${text})`,
    );
  });
  return { lines, properties };
}

function formulaCode(
  { columns }: CompiledStep,
  [name, { inputs, of }]: NamedFormula,
  index: number,
): { readonly property: string; readonly lent: Readonly<Record<string, unknown>> } {
  const own = `derived${index}`;
  const lent: Record<string, unknown> = { [own]: of };
  const numbers = inputs.map((input, at) => {
    if (input.of === 'window') return 'head.windowSeconds';
    const asked = `${own}Input${at}`;
    lent[asked] = input.of === 'constant' ? input.value : input;
    if (input.of === 'constant') return asked;
    const value =
      input.of === 'totals' ? ownValue('head.totals', input.column) : `value${columns.indexOf(input.column)}`;
    return `numberIn(${value}, ${asked})`;
  });
  return { property: property(name, `${own}(${numbers.join(', ')})`), lent };
}

export function showsKey(step: CompiledStep): boolean {
  return step.op !== 'select' || step.plan.isKeyed;
}

export function showsWindow({ op, plan }: CompiledStep): boolean {
  if (op === 'select') return plan.window !== undefined;
  return op === 'top' || (op === 'aggregate' && plan.window.kind !== 'global');
}

/** Whether the key of a step's rows is their rank, and what they were keyed by before are columns like others. */
export function isRankKeyed({ op, plan }: CompiledStep): boolean {
  return op === 'top' && !('ties' in plan);
}
