import { type AnyOutput, type Pipeline, type PipelineOptions, pipeline } from '#shared/pipeline/pipeline.ts';
import { typeOfName } from '#shared/sql/expressions/types.ts';
import type { CreateTable, Name, Query, Statement } from '#shared/sql/parse/ast.ts';
import { freeName, kebab } from '#shared/sql/parse/names.ts';
import { parseStatements } from '#shared/sql/parse/parse-statement.ts';
import { type Span, SqlProblem, withPositions } from '#shared/sql/parse/problem.ts';
import { type Arrange, arrangementOf, filled, takeArrangement } from '#shared/sql/relations/arrange.ts';
import type { Environment, Planned, Targets } from '#shared/sql/relations/plan.ts';
import { didYouMean, isSame, once, type Relation } from '#shared/sql/relations/relation.ts';
import { namesOf, planQuery } from '#shared/sql/relations/select.ts';
import { defaultSinks, durationOf, Options, oneOf, sinksOf, wholeOf } from '#shared/sql/tables/options.ts';
import { readTable, type TableDefinition, tableRelation } from '#shared/sql/tables/tables.ts';

export interface SqlOptions {
  /** The pipeline's name. */
  readonly id: string;
  /** The view of a query that is no INSERT INTO; by default it has the pipeline's name. */
  readonly view?: string;
  /** Of a query over what has an end: takes what is done with its rows: they are ordered, and where no
   * record came aggregates without groups have a row all the same. Without it ORDER BY and LIMIT are refused. */
  readonly onArrange?: (arrange: Arrange) => void;
  /** The file that the text stands in, for messages. */
  readonly path?: string;
  /** Whether rows of windows are shown while they fill, where the text does not say. */
  readonly emit?: Environment['emit'];
  /** What else may be read: by the names that the text gives, or gives to nobody. */
  readonly relations?: ReadonlyMap<string, Relation>;
  /** The names that `tableNamed` has tables for, where it has not one for any. */
  readonly tableNames?: readonly string[];
  /** Gives the table that nothing in the text defines. Undefined when there is none of this name. */
  readonly tableNamed?: (name: string) => TableDefinition | undefined;
}

/**
 * Turns a text of SQL into a pipeline: CREATE TABLE for streams and sinks, CREATE VIEW, INSERT INTO, or one query. Throws `SQL_INVALID`, which
 * shows the place, or what `pipeline()` throws.
 */
export function sqlPipeline(text: string, options: SqlOptions): Pipeline {
  return withPositions(text, () => planProgram(text, parseStatements(text), options), options.path);
}

/** A text of one query, planned. */
export function planText(text: string, options: SqlOptions): Planned {
  return withPositions(text, () => {
    const [only, second] = parseStatements(text);
    if (only?.op !== 'query' || second !== undefined)
      throw new SqlProblem(second?.at ?? only?.at ?? { start: 0, end: 1 }, 'expected one query here: SELECT ….');
    return planQuery(only.query, new Program(options).environment(options.id));
  });
}

function planProgram(text: string, statements: readonly Statement[], options: SqlOptions): Pipeline {
  const program = new Program(options);
  const outputs: AnyOutput[] = [];
  // Settings hold for all of the text, and tables may stand behind the queries that read them.
  for (const statement of statements) if (statement.op === 'set') program.set(statement.name, statement.value);
  for (const statement of statements) if (statement.op === 'create-table') program.addTable(statement);
  for (const statement of statements) {
    if (statement.op === 'create-view')
      program.addView(statement.view.name, statement.view.columns, statement.view.query);
    else if (statement.op === 'insert')
      outputs.push(program.insert(statement.table, statement.columns, statement.query));
    else if (statement.op === 'query') {
      if (statements.filter(({ op }) => op === 'query').length > 1)
        throw new SqlProblem(
          statement.at,
          'a pipeline with several views names them. Write INSERT INTO name SELECT … for each, and CREATE TABLE name WITH (…) for where its rows go.',
        );
      outputs.push(program.only(options.view ?? options.id, statement.query));
    }
  }
  if (outputs.length === 0)
    throw new SqlProblem(
      { start: text.length, end: text.length + 1 },
      'the text selects nothing. Write SELECT … FROM …, or INSERT INTO … SELECT ….',
    );
  return pipeline(program.id, outputs, program.options);
}

const settings = ['pipeline.name', 'slots', 'expected-keys', 'emit', 'allowed-lateness'] as const;

/** What the statements of a text have said so far. */
class Program {
  id: string;
  options: PipelineOptions = {};
  readonly #given: SqlOptions;
  readonly #tables = new Map<string, CreateTable>();
  readonly #relations = new Map<string, () => Relation>();
  readonly #steps = new Set<string>();
  #emit: Environment['emit'];
  #allowedLatenessMs = 0;

  constructor(given: SqlOptions) {
    this.#given = given;
    this.id = given.id;
    this.#emit = given.emit ?? 'on-update';
    this.#steps.add(given.id);
    for (const [name, relation] of given.relations ?? []) this.#relations.set(name.toLowerCase(), () => relation);
  }

  set(name: Name, value: Name): void {
    const setting = oneOf(name, settings, 'the name of a setting');
    switch (setting) {
      case 'pipeline.name':
        this.id = value.text;
        return;
      case 'slots':
        this.options = { ...this.options, slots: wholeOf(value) };
        return;
      case 'expected-keys':
        this.options = { ...this.options, expectedKeys: wholeOf(value) };
        return;
      case 'emit':
        this.#emit = oneOf(value, ['on-update', 'on-close'], "'emit'");
        return;
      case 'allowed-lateness':
        this.#allowedLatenessMs = durationOf(value);
    }
  }

  addTable(table: CreateTable): void {
    this.#checkFree(table.name);
    const key = table.name.text.toLowerCase();
    this.#tables.set(key, table);
    // A table that is only written to has no stream, so it is read when somebody reads it.
    this.#relations.set(
      key,
      once(() => tableRelation(table.name.text, readTable(table, { allowedLatenessMs: this.#allowedLatenessMs }))),
    );
  }

  addView(name: Name, columns: readonly Name[], query: Query): void {
    this.#checkFree(name);
    const env = this.environment(kebab(name.text));
    // A view that nobody reads is checked all the same.
    const planned = planQuery(query, env, columns.length === 0 ? undefined : namesOf(columns));
    this.#relations.set(name.text.toLowerCase(), planned.relation);
  }

  insert(name: Name, columns: readonly Name[], query: Query): AnyOutput {
    const table = this.#tables.get(name.text.toLowerCase());
    if (table === undefined) {
      const known = [...this.#tables.values()].map((one) => one.name.text);
      throw new SqlProblem(
        name.at,
        `there is no table ${name.text} to write to${didYouMean(name.text, known)} Say where its rows go: CREATE TABLE ${name.text} WITH ('connector' = 'dynamodb', 'ttl' = '7 d').`,
      );
    }
    return this.query(
      kebab(name.text),
      query,
      sinksOf(name, new Options(name, table.options)),
      targetsOf(table, columns),
    );
  }

  /** The one query of a text. */
  only(name: string, query: Query): AnyOutput {
    const { onArrange } = this.#given;
    const isArranged = onArrange !== undefined && (query.order.length > 0 || query.limit !== undefined);
    const arranged = isArranged ? takeArrangement(query) : undefined;
    const planned = planQuery(arranged?.query ?? query, this.environment(name));
    const { ofNothing } = planned;
    const arrange = arranged && arrangementOf(arranged, planned.columns);
    if (arrange !== undefined || ofNothing !== undefined)
      onArrange?.((rows, hasRecords) => {
        const all = ofNothing === undefined ? rows : filled(rows, { view: name, hasRecords }, planned);
        return arrange?.(all) ?? all;
      });
    return planned.output(name, defaultSinks(query.at));
  }

  query(name: string, query: Query, sinks: ReturnType<typeof sinksOf>, targets?: Targets): AnyOutput {
    return planQuery(query, this.environment(name), targets).output(name, sinks);
  }

  environment(label: string, views: ReadonlyMap<string, () => Relation> = new Map()): Environment {
    return {
      emit: this.#emit,
      tableNamed: (name) => this.#tableNamed(name, views),
      stepNamed: (what) => {
        const name = freeName(`${label}-${what}`.slice(0, stepCharactersMax), this.#steps).replaceAll('_', '-');
        this.#steps.add(name.replaceAll('-', '_'));
        this.#steps.add(name);
        return name;
      },
      within: (inner, more) =>
        this.environment(inner === '' ? label : kebab(`${label}-${inner}`), new Map([...views, ...(more ?? [])])),
    };
  }

  #tableNamed({ text, at }: Name, views: ReadonlyMap<string, () => Relation>): Relation {
    const key = text.toLowerCase();
    const found = views.get(key) ?? this.#relations.get(key);
    if (found !== undefined) return found();
    const given = this.#given.tableNamed?.(text);
    if (given !== undefined) {
      const relation = tableRelation(text, given);
      this.#relations.set(key, () => relation);
      return relation;
    }
    const known = [...views.keys(), ...this.#relations.keys(), ...(this.#given.tableNames ?? [])];
    throw new SqlProblem(
      at,
      `there is no table ${text}${didYouMean(text, known)} ${known.length === 0 ? 'Define it: CREATE TABLE' : `There are ${known.join(', ')}; define others: CREATE TABLE`} ${text} (…) WITH ('connector' = 'kinesis', 'format' = 'json').`,
    );
  }

  #checkFree({ text, at }: Name): void {
    if (this.#relations.has(text.toLowerCase()))
      throw new SqlProblem(at, `there is a table or a view ${text} already. Rename one.`);
  }
}

const stepCharactersMax = 55;

/** The columns of a table that is written to: those that INSERT INTO lists, or all that it has. */
function targetsOf({ name, columns }: CreateTable, listed: readonly Name[]): Targets | undefined {
  const physical = columns.flatMap((column) =>
    column.op === 'physical' ? [{ name: column.name.text, type: typeOfName(column.type) }] : [],
  );
  if (listed.length === 0) return physical.length === 0 ? undefined : physical;
  return listed.map(({ text, at }) => {
    const column = physical.find((one) => isSame(one.name, text));
    if (column === undefined)
      throw unknownTarget(
        name,
        text,
        at,
        physical.map((one) => one.name),
      );
    return column;
  });
}

function unknownTarget(table: Name, column: string, at: Span, known: readonly string[]): SqlProblem {
  return new SqlProblem(
    at,
    `table ${table.text} has no column ${column}${didYouMean(column, known)} There are ${known.join(', ') || 'none'}.`,
  );
}
