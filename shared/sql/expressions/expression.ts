import { dayMs } from '#shared/schemas/time.ts';
import type {
  Between,
  Call,
  Case,
  Cast,
  ColumnReference,
  Expression,
  InList,
  IsTest,
  Like,
  Literal,
} from '#shared/sql/parse/ast.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import { castTo } from './cast.ts';
import { castLimit } from './cast-limit.ts';
import { type Compiled, constant, constantOf, folded, readingParts, strictly } from './compiled.ts';
import { checkFunction, compileFunction } from './functions.ts';
import { asText, compileBinary, compileComparison, compileNot, compileSign, condition } from './operators.ts';
import { likePattern, regularExpression, similarPattern } from './pattern.ts';
import { parseTimestamp } from './time.ts';
import {
  booleanType,
  dateType,
  decimalType,
  doubleType,
  integerType,
  intervalType,
  monthsType,
  nullType,
  stringType,
  timestampType,
  typeOfName,
} from './types.ts';
import { unified } from './unified.ts';

/** What names mean in the place where an expression stands. */
export interface Scope {
  /** The column that a reference names, or a `SqlProblem` that says which there are. */
  readonly column: (reference: ColumnReference) => Compiled;
  /** What a whole expression stands for here, such as an aggregate or a column that is grouped by. Asked for every part, largest first. */
  readonly find?: (expression: Expression) => Compiled | undefined;
}

/** Turns an expression into a function; types are checked, and what is wrong is a `SqlProblem` at its place. */
export function compileExpression(expression: Expression, scope: Scope): Compiled {
  const found = scope.find?.(expression);
  if (found !== undefined) return found;
  const parts: Compiled[] = [];
  const compile = (part: Expression): Compiled => {
    const compiled = compileExpression(part, scope);
    parts.push(compiled);
    return compiled;
  };
  return readingParts(compileWhole(expression, scope, compile), parts);
}

function compileWhole(expression: Expression, scope: Scope, compile: Compile): Compiled {
  switch (expression.op) {
    case 'literal':
      return compileLiteral(expression);
    case 'interval':
      return expression.months === 0
        ? constant(intervalType, expression.ms, `INTERVAL ${expression.ms} MS`)
        : constant(monthsType, expression.months, `INTERVAL ${expression.months} MONTH`);
    case 'column':
      return scope.column(expression);
    case 'unary':
      return expression.sign === 'NOT'
        ? compileNot(compile(expression.operand), expression.operand.at)
        : compileSign(expression.sign, compile(expression.operand), expression.operand.at);
    case 'binary':
      return compileBinary(expression, compile(expression.left), compile(expression.right));
    case 'call':
      return compileCall(expression, compile);
    case 'case':
      return compileCase(expression, compile);
    case 'cast':
      return compileCast(expression, compile);
    case 'is':
      return compileIs(expression, compile);
    case 'between':
      return compileBetween(expression, compile);
    case 'in':
      return compileIn(expression, compile);
    case 'like':
      return compileLike(expression, compile);
    case 'query':
      throw new SqlProblem(
        expression.at,
        'a query stands for a value only where groups are shown: SELECT k, SUM(x) / (SELECT SUM(x) FROM t) FROM t GROUP BY k. Elsewhere join it.',
      );
    case 'star':
      throw new SqlProblem(expression.at, '* stands in COUNT(*) and behind SELECT only.');
  }
}

type Compile = (part: Expression) => Compiled;

function compileLiteral({ kind, text, at }: Literal): Compiled {
  switch (kind) {
    case 'null':
      return constant(nullType, null, 'NULL');
    case 'boolean':
      return constant(booleanType, text === 'TRUE', text);
    case 'string':
      return constant(stringType, text, `'${text.replaceAll("'", "''")}'`);
    case 'number':
      return compileNumber(text, at);
    case 'timestamp':
    case 'date': {
      const timeMs = parseTimestamp(text);
      if (timeMs === undefined)
        throw new SqlProblem(
          at,
          `'${text}' is no ${kind}. Write TIMESTAMP '2026-11-21 09:30:00' or DATE '2026-11-21'.`,
        );
      return kind === 'date'
        ? constant(dateType, Math.floor(timeMs / dayMs) * dayMs, `DATE ${timeMs}`)
        : constant(timestampType, timeMs, `TIMESTAMP ${timeMs}`);
    }
  }
}

/** 5 is whole, 0.908 a decimal of three digits, 1e3 a double. */
function compileNumber(text: string, at: Span): Compiled {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new SqlProblem(at, `${text} is larger than any number that a double holds.`);
  if (/^\d+$/.test(text) && BigInt(text) !== BigInt(value))
    throw new SqlProblem(
      at,
      `whole numbers are exact up to 2^53, and ${text} would be ${BigInt(value)}. Write a text where each digit counts, or ${value.toExponential()}.`,
    );
  if (/^\d+$/.test(text)) return constant(Number.isSafeInteger(value) ? integerType : doubleType, value, String(value));
  const [, fraction] = /^\d*\.(\d*)$/.exec(text) ?? [];
  return constant(fraction === undefined ? doubleType : decimalType(fraction.length), value, text);
}

function compileCall(call: Call, compile: Compile): Compiled {
  // A name that is wrong is what is wrong first.
  checkFunction(call);
  return compileFunction(call, call.args.map(compile));
}

function compileCast({ operand, type, tries, at }: Cast, compile: Compile): Compiled {
  return castTo(compile(operand), typeOfName(type), tries, at, castLimit(type));
}

function compileIs({ operand, test, negated }: IsTest, compile: Compile): Compiled {
  const arg = test === 'NULL' ? compile(operand) : condition(compile(operand), operand.at);
  const { evaluate } = arg;
  const wanted = test === 'TRUE' ? true : test === 'FALSE' ? false : null;
  return folded({
    type: booleanType,
    nullable: false,
    isConstant: arg.isConstant,
    text: `(${arg.text} IS ${negated ? 'NOT ' : ''}${test})`,
    evaluate: (values) => (evaluate(values) === wanted) !== negated,
  });
}

function compileBetween({ operand, low, high, negated, at }: Between, compile: Compile): Compiled {
  const value = compile(operand);
  const inside = compileBinary(
    { sign: 'AND', signAt: at },
    compileComparison('>=', value, compile(low), low.at),
    compileComparison('<=', value, compile(high), high.at),
  );
  return negated ? compileNot(inside, at) : inside;
}

/** NULL in the list makes "not found" unknown. */
function compileIn({ operand, list, negated }: InList, compile: Compile): Compiled {
  const value = compile(operand);
  const pairs = list.map((item) => compileComparison('=', value, compile(item), item.at));
  const text = `(${value.text} ${negated ? 'NOT ' : ''}IN (${pairs.map((pair) => pair.text).join(', ')}))`;
  const isConstant = pairs.every((pair) => pair.isConstant);
  const nullable = pairs.some((pair) => pair.nullable);
  const found = inSet(value, list.map(compile)) ?? inAny(pairs);
  const evaluate: Compiled['evaluate'] = negated
    ? (values) => {
        const isFound = found(values);
        return isFound === null ? null : !isFound;
      }
    : found;
  return folded({ type: booleanType, nullable, isConstant, text, evaluate });
}

/** A list of many constants of the value's own type is looked up. */
function inSet(
  value: Compiled,
  list: readonly Compiled[],
): ((values: Parameters<Compiled['evaluate']>[0]) => boolean | null) | undefined {
  const { kind } = value.type;
  if ((kind !== 'string' && kind !== 'integer') || !list.every((item) => item.isConstant && item.type.kind === kind))
    return undefined;
  const known = new Set(list.map((item) => item.evaluate({})));
  if (known.has(null)) return undefined;
  const { evaluate } = value;
  return (values) => {
    const found = evaluate(values);
    return found === null ? null : known.has(found);
  };
}

function inAny(pairs: readonly Compiled[]): (values: Parameters<Compiled['evaluate']>[0]) => boolean | null {
  return (values) => {
    let isUnknown = false;
    for (const { evaluate } of pairs) {
      const isEqual = evaluate(values);
      if (isEqual === true) return true;
      if (isEqual === null) isUnknown = true;
    }
    return isUnknown ? null : false;
  };
}

function compileLike({ kind, operand, pattern, escape: escaping, negated }: Like, compile: Compile): Compiled {
  const value = asText(compile(operand), operand.at);
  const wanted = asText(compile(pattern), pattern.at);
  const escaped = escaping === undefined ? undefined : constantOf(compile(escaping));
  if (escaping !== undefined && (typeof escaped !== 'string' || escaped.length !== 1))
    throw new SqlProblem(escaping.at, "ESCAPE takes one character, such as ESCAPE '!'.");
  const make = (text: string): RegExp =>
    kind === 'LIKE' || kind === 'ILIKE'
      ? likePattern(text, kind === 'ILIKE', escaped as string | undefined)
      : kind === 'SIMILAR TO'
        ? similarPattern(text, escaped as string | undefined)
        : regularExpression(text);
  const fixed = constantOf(wanted);
  let compiled: RegExp | undefined;
  if (typeof fixed === 'string') {
    try {
      compiled = make(fixed);
    } catch (error) {
      throw new SqlProblem(pattern.at, `'${fixed}' is no pattern: ${error instanceof Error ? error.message : error}.`);
    }
  }
  const test = (text: string, written: string): boolean => (compiled ?? make(written)).test(text) !== negated;
  return strictly({
    type: booleanType,
    text: `(${value.text} ${negated ? 'NOT ' : ''}${kind} ${wanted.text}${escaped === undefined ? '' : ` ESCAPE '${escaped}'`})`,
    args: [value, wanted],
    call: test,
  });
}

function compileCase(expression: Case, compile: Compile): Compiled {
  const operand = expression.operand && compile(expression.operand);
  const branches = expression.branches.map(({ when, result }) => ({
    when:
      operand === undefined
        ? condition(compile(when), when.at)
        : compileComparison('=', operand, compile(when), when.at),
    result: compile(result),
    at: result.at,
  }));
  const otherwise =
    expression.otherwise === undefined ? constant(nullType, null, 'NULL') : compile(expression.otherwise);
  const results = unified(
    [...branches.map(({ result }) => result), otherwise],
    [...branches.map(({ at }) => at), expression.otherwise?.at ?? expression.at],
    'CASE',
  );
  const last = results.at(-1) as Compiled;
  const conditions = branches.map(({ when }) => when.evaluate);
  const thens = results.map((result) => result.evaluate);
  const parts = branches.map(({ when }, index) => `WHEN ${when.text} THEN ${results[index]?.text}`);
  return folded({
    type: last.type,
    nullable: results.some((result) => result.nullable),
    isConstant: results.every((result) => result.isConstant) && branches.every(({ when }) => when.isConstant),
    text: `CASE ${parts.join(' ')} ELSE ${last.text} END`,
    evaluate: (values) => {
      for (let index = 0; index < conditions.length; index += 1)
        if (conditions[index]?.(values) === true) return thens[index]?.(values);
      return last.evaluate(values);
    },
  });
}
