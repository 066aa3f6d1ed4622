import type { Random } from '#shared/testing/random.ts';
import type { Expressions, Field, Fields, Kind } from './expressions.ts';

/** A column as it is written, what it is in its rows, and the paths in it at which a number lies. */
export interface Column {
  readonly text: string;
  readonly field: Field;
  readonly numbers: readonly string[];
  /** The fit of a regression. */
  readonly fits?: true;
}

/** Draws aggregators with their options. */
export class Columns {
  readonly #random: Random;
  readonly #expressions: Expressions;
  #names = 0;

  constructor(random: Random, expressions: Expressions) {
    this.#random = random;
    this.#expressions = expressions;
  }

  name(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }

  some(fields: Fields, most: number): readonly Column[] {
    return Array.from({ length: this.#random.between(1, most) }, () => this.one(fields));
  }

  /** What adds up over the changes of rows. */
  ofChanges(fields: Fields, change: string): readonly Column[] {
    const random = this.#random;
    return Array.from({ length: random.between(1, 3) }, (_, at) => {
      const name = this.name('c');
      const value = at === 0 ? '1' : this.#expressions.of('number', fields);
      return {
        text: `${name}: sum((r) => r.${change} * ${value})`,
        field: { name, kind: 'number' },
        numbers: [name],
      };
    });
  }

  one(fields: Fields): Column {
    const random = this.#random;
    const of = (kind: Kind): string => this.#expressions.callback(fields, kind);
    const number = (text: string): Column => {
      const name = this.name('c');
      return { text: `${name}: ${text}`, field: { name, kind: 'number' }, numbers: [name] };
    };
    const other = (kind: Kind, text: string, parts: readonly string[] = []): Column => {
      const name = this.name('c');
      return { text: `${name}: ${text}`, field: { name, kind }, numbers: parts.map((part) => `${name}.${part}`) };
    };
    const maybe = (text: string): Column => {
      const name = this.name('c');
      return { text: `${name}: ${text}`, field: { name, kind: 'number', mayMiss: true }, numbers: [name] };
    };
    const accuracy = random.pick(['', ', { accuracy: 0.05 }', ', { accuracy: 0.001 }']);
    const population = random.pick(['', ', { population: true }', ', { population: false }']);
    const kind = random.pick<Kind>(['number', 'string', 'boolean', 'json']);
    const by = random.pick<Kind>(['number', 'string']);
    return random.pick([
      () => number('count()'),
      () => number('count()'),
      () => number(`count(${of('boolean')})`),
      () => number(`sum(${of('number')})`),
      () => number(`sum(${of('number')})`),
      () => number(`mean(${of('number')})`),
      () => number(`min(${of('number')})`),
      () => number(`max(${of('number')})`),
      () => number(`quantile(${random.pick([0, 0.1, 0.5, 0.9, 1])}, ${of('number')}${accuracy})`),
      () => other('json', `quantiles({ p10: 0.1, p99: 0.99 }, ${of('number')}${accuracy})`, ['p10', 'p99']),
      () =>
        number(
          `countDistinct(${of(random.pick<Kind>(['number', 'string', 'boolean']))}${random.pick(['', ', { precision: 14 }'])})`,
        ),
      () => other('json', `exactDistinct(${of(by)}, { max: ${random.pick([1, 3, 100])} })`, ['count']),
      () => other('json', `distinct(${of(kind)}, { max: ${random.pick([1, 3, 100])} })`),
      () => maybe(`variance(${of('number')}${population})`),
      () => maybe(`stddev(${of('number')}${population})`),
      () => maybe(`covariance(${of('number')}, ${of('number')}${population})`),
      () => maybe(`correlation(${of('number')}, ${of('number')})`),
      () => other(kind, `first(${of(kind)})`),
      () => other(kind, `last(${of(kind)})`),
      () => other(kind, `argMin(${of(kind)}, { by: ${of(by)} })`),
      () => other(kind, `argMax(${of(kind)}, { by: ${of(by)} })`),
      () => other('json', `argMaxAll(${of(kind)}, { by: ${of('number')} })`),
      () => other('json', `histogram(${of('number')}, { bounds: [-1, 2.5, 10] })`, ['0', '3']),
      () => ({
        ...other('json', `linearRegression(${of('number')}, ${of('number')})`, ['slope', 'r2', 'count']),
        fits: true as const,
      }),
      () =>
        other('json', `multipleRegression({ x: ${of('number')}, y: ${of('number')} }, ${of('number')})`, [
          'intercept',
          'count',
        ]),
      () => maybe(`rateOfChange(${of('number')}${random.pick(['', ', { per: minutes(1) }'])})`),
      // A total over keys that lie many half-lives apart is next to nothing.
      () => ({
        ...number(`ewma(${of('number')}, { halfLife: ${random.pick(['seconds(2)', 'minutes(10)'])} })`),
        numbers: [],
      }),
      () => maybe(`zScore(${of('number')})`),
      () =>
        other(
          'json',
          `collect(${of(kind)}, { max: ${random.pick([1, 2, 50])}${random.pick(['', ", keep: 'last'"])} })`,
        ),
      () =>
        other(
          'json',
          `sampled(${of(kind)}, { size: ${random.pick([1, 2, 50])}${random.chance(0.5) ? `, by: ${of(kind)}` : ''} })`,
        ),
      () =>
        other(
          'json',
          `topK(${of(kind)}, { k: ${random.pick([1, 2, 5])}${random.chance(0.3) ? `, weight: (r) => Math.abs(${this.#expressions.of('number', fields)})` : ''} })`,
        ),
      () => other('string', `decimalSum((r) => Math.trunc(${this.#expressions.of('number', fields)}), { scale: 2 })`),
      () => number(`decimalSum((r) => Math.trunc(${this.#expressions.of('number', fields)}), { as: 'number' })`),
    ])();
  }

  /** Columns that are computed of others; `may` says what they may be besides. */
  derived(columns: readonly Column[], may: readonly ('share' | 'rate')[]): readonly Column[] {
    const random = this.#random;
    const paths = columns.flatMap(({ numbers }) => numbers);
    if (paths.length === 0) return [];
    const path = (): string => `'${random.pick(paths)}'`;
    const fits = columns.filter((column) => column.fits === true);
    const texts = [
      () => `ratio(${path()}, ${path()})`,
      () => `part(${path()})`,
      ...(may.includes('share') ? [() => `shareOfTotal(${path()})`, () => `shareOfTotal(${path()})`] : []),
      ...(may.includes('rate') ? [() => `rate(${path()})`] : []),
      ...(fits.length > 0
        ? [() => `prediction('${random.pick(fits).field.name}', { at: ${random.chance(0.5) ? path() : 3} })`]
        : []),
    ];
    return Array.from({ length: random.between(1, 3) }, () => {
      const name = this.name('d');
      return {
        text: `${name}: ${random.pick(texts)()}`,
        field: { name, kind: 'number', mayMiss: true },
        numbers: [name],
      };
    });
  }
}
