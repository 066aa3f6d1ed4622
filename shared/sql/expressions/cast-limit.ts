import type { TypeName } from '#shared/sql/parse/ast.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';

/** What a type that is cast to holds less than the type that stands for it here: the value, cut to it, or undefined when it does not fit. */
export interface CastLimit {
  /** The type as it is written. */
  readonly text: string;
  readonly fit: (value: unknown) => unknown;
}

/** How large a whole number may be; below 0 it may be one larger. */
const bits: Readonly<Record<string, number>> = {
  TINYINT: 7,
  SMALLINT: 15,
  INT: 31,
  INTEGER: 31,
  INT4: 31,
  BIGINT: 63,
  INT8: 63,
};

/** The limit of `INT`, `DECIMAL(4, 2)` and `VARCHAR(10)`; undefined of a type that has none. Throws where a type would change values as none does here. */
export function castLimit({ name, parameters, at }: TypeName): CastLimit | undefined {
  const text = `${name}${parameters.length === 0 ? '' : `(${parameters.join(', ')})`}`;
  const [first] = parameters;
  const size = bits[name];
  if (size !== undefined)
    return { text, fit: (value) => within(value as number, (number) => number >= -(2 ** size) && number < 2 ** size) };
  if (first === undefined) return undefined;
  switch (name) {
    case 'DECIMAL':
    case 'NUMERIC':
    case 'DEC': {
      const least = 10 ** (first - (parameters[1] ?? 0));
      return { text, fit: (value) => within(value as number, (number) => Math.abs(number) < least) };
    }
    case 'VARCHAR':
      // What is longer is cut, as in PostgreSQL and Flink.
      return { text, fit: (value) => [...(value as string)].slice(0, first).join('') };
    case 'CHAR':
    case 'CHARACTER':
      throw new SqlProblem(
        at,
        `${text} fills a text with blanks. Write RPAD(LEFT(x, ${first}), ${first}, ' '), or VARCHAR(${first}), which only cuts it.`,
      );
    case 'TIMESTAMP':
    case 'TIMESTAMP_LTZ':
      if (first >= 3) return undefined;
      throw new SqlProblem(
        at,
        `times have milliseconds here: TIMESTAMP(3). For whole seconds write DATE_TRUNC('second', x).`,
      );
    default:
      return undefined;
  }
}

function within(value: number, test: (value: number) => boolean): number | undefined {
  return test(value) ? value : undefined;
}
