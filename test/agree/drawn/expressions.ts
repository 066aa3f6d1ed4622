import type { Random } from '#shared/testing/random.ts';

/** What a field of a record holds. */
export type Kind = 'string' | 'number' | 'boolean' | 'json' | 'date' | 'time';

export interface Field {
  readonly name: string;
  readonly kind: Kind;
  readonly mayMiss?: true;
}

/** The parts of a record that a text may speak of, by the name that the record has in it. */
export type Fields = readonly Field[];

const depthMax = 2;

/** Draws texts of callbacks over records with these fields: what they give is of the kind that is asked for, whatever the record holds. */
export class Expressions {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A function of a record: as an arrow, with a block, or with its fields taken apart. */
  callback(fields: Fields, kind: Kind): string {
    const random = this.#random;
    const body = (of: Reading): string => this.#of(kind, fields, of, 0);
    if (random.chance(0.1)) {
      const used = new Set<string>();
      const text = body((name) => {
        used.add(name);
        return name;
      });
      return `({ ${[...used].join(', ')} }) => ${wrapped(text)}`;
    }
    const read = random.chance(0.05) ? (name: string) => `r['${name}']` : (name: string) => `r.${name}`;
    if (random.chance(0.1)) return `(r) => { const value = ${body(read)}; return value; }`;
    return `(r) => ${wrapped(body(read))}`;
  }

  /** An expression of a kind, of a record that is called `r`. */
  of(kind: Kind, fields: Fields): string {
    return this.#of(kind, fields, (name) => `r.${name}`, 0);
  }

  #of(kind: Kind, fields: Fields, read: Reading, depth: number): string {
    switch (kind) {
      case 'number':
        return this.#number(fields, read, depth);
      case 'string':
        return this.#string(fields, read, depth);
      case 'boolean':
        return this.#boolean(fields, read, depth);
      case 'date':
      case 'time':
      case 'json':
        return this.#json(fields, read, depth);
    }
  }

  #field(fields: Fields, kind: Kind, read: Reading): string | undefined {
    const some = fields.filter((field) => field.kind === kind);
    if (some.length === 0) return undefined;
    const { name, mayMiss } = this.#random.pick(some);
    if (mayMiss !== true) return read(name);
    return `(${read(name)} ?? ${{ string: "''", number: '0', boolean: 'false', json: 'null', date: 'null', time: '0' }[kind]})`;
  }

  #number(fields: Fields, read: Reading, depth: number): string {
    const random = this.#random;
    const plain = this.#field(fields, 'number', read) ?? String(random.between(-3, 9));
    if (depth >= depthMax || random.chance(0.55)) return plain;
    const inner = (): string => this.#number(fields, read, depth + 1);
    return random.pick([
      () => `(${inner()} + ${inner()})`,
      () => `(${inner()} - ${random.between(0, 20)})`,
      () => `(${inner()} * ${random.pick(['2', '-1', '0.25', '3'])})`,
      () => `(${inner()} % ${random.between(2, 9)})`,
      () => `Math.abs(${inner()})`,
      // NaN of what is below 0.
      () => `Math.sqrt(${inner()})`,
      () => `Math.floor(${inner()} / ${random.between(2, 9)})`,
      () => `(${this.#boolean(fields, read, depth + 1)} ? ${inner()} : ${inner()})`,
      () => `${this.#string(fields, read, depth + 1)}.length`,
      () => String(random.pick([0, 1, -1, 2.5, 100])),
      () => {
        const time = this.#field(fields, random.pick(['date', 'time']), read);
        return time === undefined ? plain : `(Number(${time}) % ${random.pick([7, 10_000])})`;
      },
    ])();
  }

  #string(fields: Fields, read: Reading, depth: number): string {
    const random = this.#random;
    const plain = this.#field(fields, 'string', read) ?? `'${random.pick(['', 'x', 'é', 'a=b&c#%'])}'`;
    if (depth >= depthMax || random.chance(0.6)) return plain;
    return random.pick([
      () => `\`\${${plain}}-\${${this.#number(fields, read, depth + 1)}}\``,
      () => `String(${this.#number(fields, read, depth + 1)})`,
      () => `${this.#string(fields, read, depth + 1)}.slice(0, 1)`,
      () => `(${this.#boolean(fields, read, depth + 1)} ? ${plain} : 'other')`,
      () => `${plain}.toUpperCase()`,
      () => `'${random.pick(['', 'one'])}'`,
    ])();
  }

  #boolean(fields: Fields, read: Reading, depth: number): string {
    const random = this.#random;
    const plain = this.#field(fields, 'boolean', read);
    if (plain !== undefined && (depth >= depthMax || random.chance(0.4))) return plain;
    if (depth >= depthMax) return random.pick(['true', 'false']);
    return random.pick([
      () => `(${this.#number(fields, read, depth + 1)} > ${random.between(-5, 30)})`,
      () => `(${this.#number(fields, read, depth + 1)} % 2 === 0)`,
      () => `(${this.#string(fields, read, depth + 1)} !== '${random.pick(['a', 'b', 'x'])}')`,
      () => `!${this.#boolean(fields, read, depth + 1)}`,
      () => `(${this.#boolean(fields, read, depth + 1)} || ${this.#boolean(fields, read, depth + 1)})`,
    ])();
  }

  #json(fields: Fields, read: Reading, depth: number): string {
    const random = this.#random;
    const plain = this.#field(fields, 'json', read);
    if (plain !== undefined && random.chance(0.4)) return plain;
    if (depth >= depthMax) return 'null';
    return random.pick([
      () => this.#number(fields, read, depth + 1),
      () => this.#string(fields, read, depth + 1),
      () => this.#boolean(fields, read, depth + 1),
      () => `[${this.#string(fields, read, depth + 1)}, ${this.#number(fields, read, depth + 1)}]`,
      () => `{ a: ${this.#number(fields, read, depth + 1)}, b: ${this.#json(fields, read, depth + 1)} }`,
      () => `(${this.#boolean(fields, read, depth + 1)} ? null : ${this.#string(fields, read, depth + 1)})`,
    ])();
  }
}

/** How a field is written. */
type Reading = (name: string) => string;

function wrapped(text: string): string {
  return text.startsWith('{') ? `(${text})` : text;
}
