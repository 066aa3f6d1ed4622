import type { CompiledSource } from '#shared/engine/compile/compile.ts';
import type { Need } from '#shared/engine/compile/need.ts';
import { oncePer } from '#shared/engine/compile/once-per.ts';
import { needOf } from '#shared/engine/compile/source-need.ts';
import type { FieldShape, ObjectShape, ValueShape } from '#shared/pipeline/shape.ts';
import { shapesOf } from '#shared/pipeline/shape.ts';
import { needsOfFields } from './json-template.ts';
import { judge, missed } from './json-values.ts';

/** The record of a value that fits the schema for sure; undefined for one that the schema must judge. */
export type QuickCheck = (value: unknown) => object | undefined;

/**
 * For values that are decoded already, such as an Avro file's, a test's, or a line of JSON that was parsed: the schema's answer without the
 * schema, which makes objects for each field that it looks at. Compiled once in a process from the schema's one shape; undefined where the
 * shape does not say enough. As with lines that are scanned (`json-scanner.ts`), fields that nobody reads are checked and not made.
 */
export const quickCheckOf: (source: CompiledSource) => QuickCheck | undefined = oncePer(compileCheck);

function compileCheck(source: CompiledSource): QuickCheck | undefined {
  const shapes = shapesOf(source.schema);
  const [shape] = shapes;
  if (shape === undefined || shapes.length > 1 || (shape.computed ?? []).length > 0 || !isKnown(shape))
    return undefined;
  const code = new CheckCode();
  const name = code.addObject(shape, needOf(source, shapes));
  // What a getter throws is thrown again to the schema.
  const body = `'use strict';\n${code.functions.join('\n')}
return (value) => { try { return ${name}(value); } catch { return undefined; } };`;
  return new Function('schemas', 'judge', 'missed', 'plain', 'prototypeOf', body)(
    code.schemas,
    judge,
    missed,
    Object.prototype,
    Object.getPrototypeOf,
  ) as QuickCheck;
}

function isKnown({ fields }: ObjectShape): boolean {
  return fields.every(({ value }) => value.kind !== 'timestamp' && (value.kind !== 'object' || isKnown(value)));
}

class CheckCode {
  readonly functions: string[] = [];
  readonly schemas: unknown[] = [];

  /** A function for objects of the shape. They must have no fields but the shape's: whether others may be there is the schema's business. */
  addObject({ fields }: ObjectShape, need: Need | undefined): string {
    const needed = needsOfFields(need);
    const places = fields.map((field, index) => ({ field, own: `field${index}`, need: needed(field.name) }));
    const checks = places.map(({ field, own, need }) => this.#fieldSource(field, own, need));
    const made = places.filter(({ need }) => need !== undefined);
    const isWhole = made.every(({ field }) => !field.isOptional || field.isNullWhenMissing === true);
    const entries = made.map(({ field, own }) => `${JSON.stringify(field.name)}: ${own}`);
    const result = isWhole
      ? `return { ${entries.join(', ')} };`
      : `const record = {};
${made.map(({ field, own }) => `${field.isOptional ? `if (${own} !== undefined) ` : ''}record[${JSON.stringify(field.name)}] = ${own};`).join('\n')}
return record;`;
    const name = `check${this.functions.length}`;
    this.functions.push(`const ${name} = (value) => {
if (typeof value !== 'object' || value === null || prototypeOf(value) !== plain) return undefined;
let others = 0;
for (const name in value) others += 1;
${checks.join('\n')}
if (others !== 0) return undefined;
${result}
};`);
    return name;
  }

  /** What the field holds is in a variable of this name afterwards; undefined when it is missing and may be. */
  #fieldSource(field: FieldShape, own: string, need: Need | undefined): string {
    const { name, value, isOptional, isNullable, isNullWhenMissing } = field;
    const check = this.#valueSource(value, own, need);
    const present = isNullable ? `if (${own} !== null) { ${check} }` : check;
    const missing = isNullWhenMissing === true ? `${own} = null;` : isOptional ? '' : 'return undefined;';
    const text = JSON.stringify(name);
    return `let ${own} = value[${text}];
if (${own} === undefined) { if (${text} in value) return undefined; ${missing} } else { others -= 1; ${present} }`;
  }

  #valueSource(value: ValueShape, own: string, need: Need | undefined): string {
    const unless = (condition: string): string => `if (!(${condition})) return undefined;`;
    switch (value.kind) {
      case 'string':
      case 'boolean':
        return unless(`typeof ${own} === '${value.kind}'`);
      case 'number':
        return `${unless(`Number.${value.isInteger ? 'isSafeInteger' : 'isFinite'}(${own})`)}${value.isPlainZero === true ? ` ${own} += 0;` : ''}`;
      case 'choice':
        return unless(value.values.map((one) => `${own} === ${JSON.stringify(one)}`).join(' || '));
      case 'object':
        return `${own} = ${this.addObject(value, need)}(${own}); ${unless(`${own} !== undefined`)}`;
      case 'judged':
        this.schemas.push(value.schema);
        return `${own} = judge(${own}, schemas[${this.schemas.length - 1}]); ${unless(`${own} !== missed`)}`;
      case 'timestamp':
        return 'return undefined;';
    }
  }
}
