import type { AnyAggregator, Json } from '#shared/pipeline/aggregator.ts';
import { argMax } from '#shared/pipeline/aggregators/arg-max.ts';
import { argMin } from '#shared/pipeline/aggregators/arg-min.ts';
import { count } from '#shared/pipeline/aggregators/count.ts';
import { countDistinct } from '#shared/pipeline/aggregators/count-distinct.ts';
import { correlation, covariance } from '#shared/pipeline/aggregators/covariance.ts';
import { roundExactSum } from '#shared/pipeline/aggregators/exact-sum.ts';
import { first } from '#shared/pipeline/aggregators/first.ts';
import { last } from '#shared/pipeline/aggregators/last.ts';
import { max } from '#shared/pipeline/aggregators/max.ts';
import { mean } from '#shared/pipeline/aggregators/mean.ts';
import { min } from '#shared/pipeline/aggregators/min.ts';
import { quantile } from '#shared/pipeline/aggregators/quantile.ts';
import { sum } from '#shared/pipeline/aggregators/sum.ts';
import { stddev, variance } from '#shared/pipeline/aggregators/variance.ts';
import { readingThrough } from '#shared/pipeline/reads.ts';
import { roundTo } from '#shared/sql/expressions/cast.ts';
import { type Compiled, constantOf, readingParts, type Values } from '#shared/sql/expressions/compiled.ts';
import { compileExpression, type Scope } from '#shared/sql/expressions/expression.ts';
import { argumentOf, type Parameter } from '#shared/sql/expressions/functions/signature.ts';
import { checkOrdered, condition, scalarOf } from '#shared/sql/expressions/operators.ts';
import {
  booleanType,
  describeType,
  doubleType,
  integerType,
  isNumeric,
  type SqlType,
} from '#shared/sql/expressions/types.ts';
import type { Call, Expression } from '#shared/sql/parse/ast.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import { type ChangingRows, takingBack } from './changes.ts';
import { distinctOf, extremeOf, orNull, showing } from './null-aware.ts';

/** An aggregate of a query, ready to be kept. */
export interface CompiledAggregate {
  readonly type: SqlType;
  readonly nullable: boolean;
  /** Of nothing it is 0, and not NULL. */
  readonly counts: boolean;
  readonly aggregator: AnyAggregator<Values>;
  /** What it computes, in one form. */
  readonly text: string;
  /** The name that its column has when it is given none. */
  readonly name: string;
  /** Its state grows with the values, so it is kept where memory may spill. */
  readonly isLarge: boolean;
}

/** Compiles an aggregate; `filter` holds for the records that it takes, besides its own FILTER. `changing`: of rows that come and go. */
export function compileAggregate(
  call: Call,
  scope: Scope,
  filter?: Compiled,
  changing?: ChangingRows,
): CompiledAggregate {
  const { name } = call;
  const filters = [filter, call.filter && condition(compileExpression(call.filter, scope), call.filter.at)].filter(
    (one) => one !== undefined,
  );
  const ordered = orderedArgument(call);
  const isStar = call.args.length === 1 && call.args[0]?.op === 'star';
  const args = isStar ? [] : ordered.map((arg) => compileExpression(arg, scope));
  if (isStar && call.distinct)
    throw new SqlProblem(
      call.at,
      'COUNT(DISTINCT *) is not supported. Count rows: SELECT COUNT(*) FROM (SELECT DISTINCT * FROM …).',
    );
  if (isStar && name !== 'COUNT') throw new SqlProblem(call.at, `${name}(*) means nothing; * stands in COUNT(*) only.`);
  const made = makeAggregate({ call, args, places: ordered });
  const taken = args.slice(0, made.takes ?? args.length);
  const isNullable = taken.some((arg) => arg.nullable);
  const isWanted = (values: Values): boolean => filters.every((one) => one.evaluate(values) === true);
  const isMissing = readingThrough(
    (values: Values): boolean => !isWanted(values) || taken.some((arg) => arg.evaluate(values) === null),
    [...filters, ...taken].map(({ evaluate }) => evaluate),
  );
  const needsCheck = filters.length > 0 || isNullable;
  const text = `${name}(${call.distinct ? 'DISTINCT ' : ''}${isStar ? '*' : args.map((arg) => arg.text).join(', ')})${filters.map((one) => ` FILTER ${one.text}`).join('')}`;
  const plain = (): AnyAggregator<Values> =>
    !needsCheck
      ? made.aggregator
      : (made.counting?.(readingThrough((values: Values) => !isMissing(values), [isMissing])) ??
        orNull(made.aggregator, isMissing));
  const counts = made.counting !== undefined;
  const aggregator =
    changing === undefined
      ? plain()
      : takingBack(made.aggregator, { isMissing, counts, text: [...changing.text, text], call });
  return {
    type: made.type,
    counts,
    nullable: !counts && (needsCheck || made.mayBeNull === true || changing !== undefined),
    aggregator,
    text,
    name: nameOf(name, args),
    isLarge: made.isLarge === true,
  };
}

function nameOf(name: string, args: readonly Compiled[]): string {
  const column = args[0]?.column?.replaceAll(/[^A-Za-z0-9_]/g, '_');
  return column === undefined ? name.toLowerCase() : `${name.toLowerCase()}_${column}`;
}

/** `PERCENTILE(0.5) WITHIN GROUP (ORDER BY x)` is `PERCENTILE(x, 0.5)`. */
function orderedArgument({ args, withinGroup, name, at }: Call): readonly Expression[] {
  if (withinGroup === undefined) return args;
  const [item] = withinGroup;
  if (!name.startsWith('APPROX_') || item === undefined || withinGroup.length > 1)
    throw new SqlProblem(at, 'WITHIN GROUP stands behind APPROX_PERCENTILE(0.99) with one expression to order by.');
  return [item.expression, ...args];
}

interface Request {
  readonly call: Call;
  readonly args: readonly Compiled[];
  readonly places: readonly Expression[];
}

interface Made {
  readonly type: SqlType;
  /** Of arguments none of which is NULL. */
  readonly aggregator: AnyAggregator<Values>;
  /** Of which arguments NULL is passed over; by default of all. */
  readonly takes?: number;
  /** Instead of being NULL of nothing it counts what there is. */
  readonly counting?: (isCounted: (values: Values) => boolean) => AnyAggregator<Values>;
  readonly mayBeNull?: boolean;
  readonly isLarge?: boolean;
}

function makeAggregate(request: Request): Made {
  const { call } = request;
  const { name, distinct } = call;
  if (distinct && !['COUNT', 'MIN', 'MAX'].includes(name))
    throw new SqlProblem(
      call.at,
      `DISTINCT is supported in COUNT(DISTINCT x). Group by the value first for ${name} of different values.`,
    );
  switch (name) {
    case 'COUNT':
      return makeCount(request);
    case 'SUM':
    case 'AVG':
      return makeSum(request);
    case 'MIN':
    case 'MAX':
      return makeExtreme(request, name === 'MIN' ? 'min' : 'max');
    case 'BOOL_AND':
    case 'BOOL_OR': {
      const [value] = check(request, `${name}(condition)`, ['value']) as [Compiled];
      const held = readingParts(condition(value, call.at), [value]).evaluate;
      return { type: booleanType, aggregator: extremeOf(name === 'BOOL_AND' ? 'min' : 'max', held) };
    }
    case 'FIRST_VALUE':
    case 'LAST_VALUE': {
      const [value] = check(request, `${name}(x)`, ['value']) as [Compiled];
      const of = value.evaluate as (values: Values) => Json;
      return { type: value.type, aggregator: name === 'FIRST_VALUE' ? first(of) : last(of) };
    }
    case 'ARG_MIN':
    case 'ARG_MAX': {
      const [value, by] = check(request, `${name}(x, by)`, ['value', 'value']) as [Compiled, Compiled];
      const options = { by: by.evaluate as (values: Values) => number | string };
      const of = value.evaluate as (values: Values) => Json;
      return { type: value.type, aggregator: name === 'ARG_MIN' ? argMin(of, options) : argMax(of, options) };
    }
    case 'APPROX_COUNT_DISTINCT': {
      const [value] = check(request, 'APPROX_COUNT_DISTINCT(x)', ['value']) as [Compiled];
      const of = (isCounted?: (values: Values) => boolean): AnyAggregator<Values> => {
        const plain = countDistinct(value.evaluate as (values: Values) => string);
        return isCounted === undefined
          ? plain
          : showing(
              orNull(
                plain,
                readingThrough((values: Values) => !isCounted(values), [isCounted]),
              ),
              (found) => found ?? 0,
            );
      };
      return { type: integerType, aggregator: of(), counting: of };
    }
    case 'APPROX_QUANTILE':
    case 'APPROX_PERCENTILE': {
      const [value, at] = check(request, `${name}(x, 0.99)`, ['number', 'number']) as [Compiled, Compiled];
      const share = constantOf(at);
      if (typeof share !== 'number' || share < 0 || share > 1)
        throw new SqlProblem(
          request.places[1]?.at ?? call.at,
          'expected a number from 0 to 1 that depends on no column, such as 0.99.',
        );
      return { type: doubleType, takes: 1, aggregator: quantile(share, value.evaluate as (values: Values) => number) };
    }
    default:
      return makeSpread(request);
  }
}

function makeCount(request: Request): Made {
  const { call, args, places } = request;
  if (args.length > 1 || (args.length === 0 && places[0]?.op !== 'star'))
    throw new SqlProblem(
      call.at,
      `COUNT takes one argument. Write COUNT(*), COUNT(x) or COUNT(DISTINCT x)${args.length > 1 ? ", such as COUNT(DISTINCT CONCAT_WS('|', a, b))" : ''}.`,
    );
  const [given] = args;
  if (call.distinct && given !== undefined) {
    if (given.type.kind === 'row' || given.type.kind === 'array')
      throw new SqlProblem(
        call.at,
        `values of type ${describeType(given.type)} cannot be told apart. Name a field, or write COUNT(DISTINCT CAST(x AS STRING)).`,
      );
    const value = readingParts(scalarOf(given), [given]);
    return {
      type: integerType,
      aggregator: distinctOf(value.evaluate),
      counting: (isCounted) =>
        distinctOf(
          readingThrough(
            (values: Values) => (isCounted(values) ? value.evaluate(values) : null),
            [isCounted, value.evaluate],
          ),
        ),
      isLarge: true,
    };
  }
  return { type: integerType, aggregator: count(), counting: (isCounted) => count(isCounted) };
}

function makeSum(request: Request): Made {
  const { name } = request.call;
  const [given] = request.args;
  const isInterval = given?.type.kind === 'interval';
  const [value] = check(request, `${name}(x)`, [isInterval ? 'value' : 'number']) as [Compiled];
  const of = value.evaluate as (values: Values) => number;
  const { type } = value;
  if (name === 'AVG' && isInterval)
    return { type, aggregator: showing(mean(of), (found) => Math.round(found as number)) };
  if (name === 'AVG')
    return { type: doubleType, aggregator: type.kind === 'decimal' ? decimalMean(of, type.scale) : mean(of) };
  if (type.kind !== 'decimal') return { type, aggregator: sum(of) };
  return { type, aggregator: showing(sum(of), (found) => roundTo(found as number, type.scale)) };
}

/** The sum of decimals is one, which that of the doubles nearest to them is not quite. */
function decimalMean(of: (values: Values) => number, scale: number): AnyAggregator<Values> {
  const average = mean(of);
  return { ...average, result: ({ sum: total, count: n }) => roundTo(roundExactSum(total), scale) / n };
}

function makeExtreme(request: Request, kind: 'min' | 'max'): Made {
  const [given] = check(request, `${request.call.name}(x)`, ['value']) as [Compiled];
  const value = readingParts(scalarOf(given), [given]);
  const { type } = value;
  const isNumber = isNumeric(type) || ['timestamp', 'date', 'interval', 'months'].includes(type.kind);
  checkOrdered(type, request.call.at);
  if (!isNumber) return { type, aggregator: extremeOf(kind, value.evaluate) };
  const of = value.evaluate as (values: Values) => number;
  return { type, aggregator: kind === 'min' ? min(of) : max(of) };
}

/** What is computed of the moments of one column or of two. Of too few values it is NULL. */
function makeSpread(request: Request): Made {
  const { name } = request.call;
  const isPair = name.startsWith('COVAR') || name === 'CORR';
  const form = isPair ? `${name}(x, y)` : `${name}(x)`;
  const [x, y] = check(request, form, isPair ? ['number', 'number'] : ['number']).map(
    (arg) => arg.evaluate as (values: Values) => number,
  );
  const options = { population: name.endsWith('_POP') };
  const aggregator = (): AnyAggregator<Values> => {
    if (x !== undefined && y !== undefined) return name === 'CORR' ? correlation(x, y) : covariance(x, y, options);
    const of = x as (values: Values) => number;
    return name.startsWith('STDDEV') ? stddev(of, options) : variance(of, options);
  };
  return { type: doubleType, aggregator: aggregator(), mayBeNull: true };
}

function check({ call, args, places }: Request, form: string, parameters: readonly Parameter[]): readonly Compiled[] {
  if (args.length !== parameters.length)
    throw new SqlProblem(
      call.at,
      `${call.name} takes ${parameters.length} argument${parameters.length === 1 ? '' : 's'}, and found ${args.length}. Write ${form}.`,
    );
  return args.map((arg, index) =>
    readingParts(argumentOf(arg, parameters[index] as Parameter, { place: places[index] as Expression, form }), [arg]),
  );
}
