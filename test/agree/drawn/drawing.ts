import type { Random } from '#shared/testing/random.ts';
import { type Column, Columns } from './columns.ts';
import { Expressions, type Field, type Fields, type Kind } from './expressions.ts';

/** A pipeline as text: statements of TypeScript, and the outputs that are made of them. */
export interface Drawn {
  readonly statements: readonly string[];
  readonly outputs: readonly DrawnOutput[];
  /** Of the pipeline. */
  readonly options: string;
  readonly streams: readonly DrawnStream[];
  /** Event time goes on by so much at most, from record to record. */
  readonly paceMs: number;
  readonly start: string;
}

export interface DrawnOutput {
  readonly text: string;
  readonly view: string;
}

export interface DrawnStream {
  readonly name: string;
  readonly variable: string;
  readonly outOfOrdernessMs: number;
  readonly fields: readonly SourceField[];
}

/** `of` says how its values are drawn. */
export type SourceField = Field & { readonly of: 'key' | 'value' | 'list'; readonly missing?: 'null' | 'absent' };

/** A stream, as an expression. */
export interface Flow {
  readonly text: string;
  readonly fields: Fields;
  readonly isRows: boolean;
  /** Of what happens to rows that are never final: the column that says which way. */
  readonly change?: string;
  /** Each of them may square the number of records. */
  readonly joins: number;
}

export interface KeyColumn {
  readonly name: string;
  readonly kind: Kind;
}

export interface KeyedFlow extends Flow {
  readonly key: readonly KeyColumn[];
}

/** What is made of a keyed stream: its text, its rows, and whether they are final. */
export interface DrawnTable {
  readonly text: string;
  readonly view: string;
  /** Of the rows as a stream again, which `feed` gives; left out where they are none. */
  readonly rows?: Fields;
  readonly feed?: string;
  /** Its rows are a stream only if they are in the table too. */
  readonly hasEarly?: boolean;
  readonly isFinal: boolean;
  readonly joins: number;
}

export const table = 'dynamodb({ ttl: days(7) })';

/** What has been drawn so far of a pipeline. */
export class Drawing {
  readonly random: Random;
  readonly expressions: Expressions;
  readonly columns: Columns;
  readonly statements: string[] = [];
  readonly outputs: DrawnOutput[] = [];
  readonly streams: DrawnStream[] = [];
  readonly flows: Flow[] = [];
  /** Durations are some quarters of it. */
  readonly unitMs: number;
  #views = 0;

  constructor(random: Random) {
    this.random = random;
    this.expressions = new Expressions(random);
    this.columns = new Columns(random, this.expressions);
    this.unitMs = random.pick([1_000, 1_000, 2_000, 60_000, 40 * 3_600_000, 7]);
  }

  /** A statement's name. */
  variable(prefix: string, text: string): string {
    const name = this.columns.name(prefix);
    this.statements.push(`const ${name} = ${text};`);
    return name;
  }

  view(): string {
    this.#views += 1;
    return `v${this.#views}`;
  }

  /** From `least` to `most` units, and now and then a millisecond beside. */
  duration(least: number, most: number): string {
    const { random, unitMs } = this;
    const ms = Math.round(random.between(least * 4, most * 4) * (unitMs / 4));
    const off = random.chance(0.1) ? random.between(-1, 1) : 0;
    return `milliseconds(${Math.max(least === 0 ? 0 : 1, ms + off)})`;
  }

  lateness(): string {
    return `allowedLateness: ${this.random.chance(0.5) ? 'milliseconds(0)' : this.duration(0, 3)}`;
  }

  /** The newest one more often than others, so that steps stand behind steps. */
  flow(): Flow {
    const { random, flows } = this;
    return random.chance(0.5) ? (flows.at(-1) as Flow) : random.pick(flows);
  }

  keyed(of: Flow, asked?: readonly KeyColumn[]): KeyedFlow {
    const { random } = this;
    const key =
      asked ??
      Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => ({
        name: this.columns.name('k'),
        kind: random.pick<Kind>(['string', 'string', 'number', 'boolean']),
      }));
    const texts = key.map(({ name, kind }) => `${name}: ${this.#keyOf(kind, of.fields)}`);
    return { ...of, key, text: `${of.text}.keyBy((r) => ({ ${texts.join(', ')} }))` };
  }

  /** Mostly a field as it is: what is computed has as many values as there are records, or one. */
  #keyOf(kind: Kind, fields: Fields): string {
    const plain = fields.filter((field) => field.kind === kind && field.mayMiss !== true);
    if (plain.length > 0 && this.random.chance(0.8)) return `r.${this.random.pick(plain).name}`;
    return this.expressions.of(kind, fields);
  }

  /** A table becomes an output, a stream again, or both. Says whether it is an output. */
  finish({ text, view, rows, feed, hasEarly = false, isFinal, joins }: DrawnTable): boolean {
    const { random } = this;
    const feeds = rows !== undefined && random.chance(0.5);
    const isOutput = !feeds || hasEarly || random.chance(0.7);
    const name = feeds && isOutput && feed === undefined ? this.variable('t', text) : text;
    if (isOutput) this.outputs.push({ view, text: `${name}.to(${this.#sinks(isFinal)})` });
    if (feeds)
      this.flows.push({ text: this.variable('r', `${feed ?? name}.asStream()`), fields: rows, isRows: true, joins });
    return isOutput;
  }

  #sinks(isFinal: boolean): string {
    const others = ["s3({ format: 'ndjson' })", 'kinesis()'].filter(() => isFinal && this.random.chance(0.1));
    return [table, ...others].join(', ');
  }
}

export function fieldsOf(key: readonly KeyColumn[], columns: readonly (Column | Field)[]): Fields {
  return [...key, ...columns.map((column) => ('field' in column ? column.field : column))];
}

export function textsOf(columns: readonly Column[]): string {
  return `{ ${columns.map(({ text }) => text).join(', ')} }`;
}
