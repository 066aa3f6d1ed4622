import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import type { ProjectionInput } from '#shared/pipeline/projection.ts';
import type { Compiled, Values } from '#shared/sql/expressions/compiled.ts';
import type { Scope } from '#shared/sql/expressions/expression.ts';
import { describeType } from '#shared/sql/expressions/types.ts';
import type { Call } from '#shared/sql/parse/ast.ts';
import { freeName, isColumnName } from '#shared/sql/parse/names.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import { type CompiledAggregate, compileAggregate } from './aggregates.ts';
import { type ChangingRows, refuseTotal } from './changes.ts';
import { type GroupTotal, totalKindOf, totalText } from './late-totals.ts';
import type { StepTable } from './step-table.ts';

/** Which records an aggregate takes, and what their names mean. */
export interface OfRecords {
  readonly scope: Scope;
  readonly condition: Compiled | undefined;
}

interface Kept extends CompiledAggregate {
  readonly column: string;
}

/** The aggregates that the expressions of a query name, while these are read: each is kept once, in a column of its own. */
export class KeptAggregates {
  readonly #kept = new Map<string, Kept>();
  /** Names of columns, in lower case. */
  readonly #taken: Set<string>;
  readonly #changing: ChangingRows | undefined;
  readonly #isOfSessions: boolean;
  readonly #totals = new Map<string, GroupTotal>();
  #totalUses = 0;
  #overAt: Span | undefined;

  constructor(of: {
    /** The columns that the groups have beside them. */
    readonly columns: readonly string[];
    readonly changing: ChangingRows | undefined;
    readonly isOfSessions: boolean;
  }) {
    this.#taken = new Set([...of.columns.map((column) => column.toLowerCase()), 'window_start', 'window_end']);
    this.#changing = of.changing;
    this.#isOfSessions = of.isOfSessions;
  }

  /** An aggregate of a group. `alias` is the name that its column is to have, where it stands alone. */
  column(call: Call, of: OfRecords, alias?: string): Compiled {
    const { column, type, nullable } = this.#keep(call, of, alias);
    return columnOf(column, { type, nullable });
  }

  /** The same over all groups of a window. `overAt` is where OVER asks for it. */
  total(call: Call, of: OfRecords, overAt?: Span): Compiled {
    if (this.#changing !== undefined) throw refuseTotal(call.at);
    const { column, type } = this.#keep(call, of);
    const field = `#total ${column}`;
    this.#totals.set(column, { column, field, kind: totalKindOf(call), at: call.at });
    this.#totalUses += 1;
    this.#overAt ??= overAt;
    if (this.#isOfSessions)
      throw new SqlProblem(
        call.at,
        'sessions of different keys have different bounds, so there is no total of a session. Group by TUMBLE or HOP.',
      );
    if (['string', 'boolean', 'any'].includes(type.kind))
      throw new SqlProblem(
        call.at,
        `a total over all groups is a number or a time, and this is of type ${describeType(type)}.`,
      );
    return { ...columnOf(field, { type, nullable: true }), text: totalText(column) };
  }

  get totals(): NonNullable<StepTable['groupTotals']> {
    return { all: () => [...this.#totals.values()], uses: () => this.#totalUses, overAt: () => this.#overAt };
  }

  /** Some state grows with the values. */
  get isLarge(): boolean {
    return [...this.#kept.values()].some(({ isLarge }) => isLarge);
  }

  get columns(): readonly string[] {
    return [...this.#kept.values()].map(({ column }) => column);
  }

  /** The aggregators by column, as a step names these. */
  aggregators(nameOf: (column: string) => string): Readonly<Record<string, AnyAggregator<Values>>> {
    return Object.fromEntries([...this.#kept.values()].map(({ column, aggregator }) => [nameOf(column), aggregator]));
  }

  /** A row of them before the first record; `rows` are those that the query around it finds there all the same. */
  resultsOfNothing(rows: readonly Values[]): ProjectionInput {
    const columns = Object.fromEntries(
      [...this.#kept.values()].map(({ column, aggregator, counts }) => {
        if (rows.length === 0) return [column, counts ? 0 : null];
        const all = rows.reduce<unknown>(
          (some, row) => aggregator.add(some, aggregator.select(row, 0)),
          aggregator.create(),
        );
        return [column, aggregator.result(all)];
      }),
    );
    // One row is the total of itself.
    return { columns, windowStartMs: 0, windowEndMs: 0, totals: columns as Readonly<Record<string, number | null>> };
  }

  #keep(call: Call, { scope, condition }: OfRecords, alias?: string): Kept {
    const aggregate = compileAggregate(call, scope, condition, this.#changing);
    const known = this.#kept.get(aggregate.text);
    if (known !== undefined) return known;
    const wanted = [alias ?? '', aggregate.name].find(isColumnName) ?? `${call.name.toLowerCase()}_of`;
    const column = freeName(wanted, this.#taken);
    this.#taken.add(column.toLowerCase());
    const made = { ...aggregate, column };
    this.#kept.set(aggregate.text, made);
    return made;
  }
}

/** A value that rows have under this name. */
export function columnOf(column: string, { type, nullable }: Pick<Compiled, 'type' | 'nullable'>): Compiled {
  return { type, nullable, text: column, isConstant: false, evaluate: (values) => values[column] ?? null };
}
