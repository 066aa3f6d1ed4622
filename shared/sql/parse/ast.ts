import type { Span } from './problem.ts';

// A text as it was read: nothing is known of tables, columns or types yet. Each node says where it stands.

export interface Name {
  readonly text: string;
  readonly at: Span;
  /** It is written in "…", where others write texts. */
  readonly isQuoted?: true;
}

export type Expression =
  | Literal
  | IntervalLiteral
  | ColumnReference
  | Unary
  | Binary
  | Call
  | Case
  | Cast
  | IsTest
  | Between
  | InList
  | Like
  | ScalarQuery
  | Star;

interface Node {
  readonly at: Span;
}

/** `number` as it is written, since 0.908 is a decimal and 1e3 is not. */
export interface Literal extends Node {
  readonly op: 'literal';
  readonly kind: 'null' | 'boolean' | 'number' | 'string' | 'timestamp' | 'date';
  readonly text: string;
}

/** Days and shorter units in milliseconds; months and years in months. */
export interface IntervalLiteral extends Node {
  readonly op: 'interval';
  readonly ms: number;
  readonly months: number;
}

/** `bytes`, `r.bytes`, `bid.price`, `e.bid.price`. */
export interface ColumnReference extends Node {
  readonly op: 'column';
  readonly path: readonly Name[];
}

export interface Unary extends Node {
  readonly op: 'unary';
  readonly sign: '-' | '+' | 'NOT';
  readonly operand: Expression;
}

export interface Binary extends Node {
  readonly op: 'binary';
  readonly sign: BinarySign;
  readonly left: Expression;
  readonly right: Expression;
  readonly signAt: Span;
}
export type BinarySign =
  | 'AND'
  | 'OR'
  | '='
  | '<>'
  | '<'
  | '<='
  | '>'
  | '>='
  | '+'
  | '-'
  | '*'
  | '/'
  | '//'
  | '%'
  | '||'
  | 'IS DISTINCT FROM'
  | 'IS NOT DISTINCT FROM';

export interface Call extends Node {
  readonly op: 'call';
  /** In upper case. */
  readonly name: string;
  readonly nameAt: Span;
  readonly args: readonly Expression[];
  readonly distinct: boolean;
  readonly filter?: Expression;
  readonly over?: Over;
  /** `WITHIN GROUP (ORDER BY x)`. */
  readonly withinGroup?: readonly OrderItem[];
}

export interface Over extends Node {
  readonly partition: readonly Expression[];
  readonly order: readonly OrderItem[];
}

export interface OrderItem extends Node {
  readonly expression: Expression;
  readonly descending: boolean;
  readonly nullsFirst?: boolean;
}

export interface Case extends Node {
  readonly op: 'case';
  readonly operand?: Expression;
  readonly branches: readonly { readonly when: Expression; readonly result: Expression }[];
  readonly otherwise?: Expression;
}

export interface Cast extends Node {
  readonly op: 'cast';
  readonly operand: Expression;
  readonly type: TypeName;
  /** What cannot be cast is NULL. */
  readonly tries: boolean;
}

export interface IsTest extends Node {
  readonly op: 'is';
  readonly operand: Expression;
  readonly test: 'NULL' | 'TRUE' | 'FALSE' | 'UNKNOWN';
  readonly negated: boolean;
}

export interface Between extends Node {
  readonly op: 'between';
  readonly operand: Expression;
  readonly low: Expression;
  readonly high: Expression;
  readonly negated: boolean;
}

export interface InList extends Node {
  readonly op: 'in';
  readonly operand: Expression;
  readonly list: readonly Expression[];
  readonly negated: boolean;
}

export interface Like extends Node {
  readonly op: 'like';
  readonly kind: 'LIKE' | 'ILIKE' | 'REGEXP' | 'SIMILAR TO';
  readonly operand: Expression;
  readonly pattern: Expression;
  readonly escape?: Expression;
  readonly negated: boolean;
}

export interface ScalarQuery extends Node {
  readonly op: 'query';
  readonly query: Query;
}

/** In `COUNT(*)`. */
export interface Star extends Node {
  readonly op: 'star';
}

export interface TypeName extends Node {
  /** In upper case. */
  readonly name: string;
  readonly parameters: readonly number[];
  /** Of a ROW. */
  readonly fields?: readonly { readonly name: Name; readonly type: TypeName }[];
  /** Of an ARRAY. */
  readonly element?: TypeName;
  readonly notNull: boolean;
}

export interface Query extends Node {
  readonly op: 'select-query';
  readonly views: readonly View[];
  /** One, or several with UNION ALL between them. */
  readonly selects: readonly Select[];
  readonly order: readonly OrderItem[];
  readonly limit?: { readonly count: number; readonly at: Span };
}

/** `name AS (query)`, or CREATE VIEW. */
export interface View {
  readonly name: Name;
  readonly columns: readonly Name[];
  readonly query: Query;
}

export interface Select extends Node {
  readonly distinct: boolean;
  readonly items: readonly SelectItem[];
  readonly from?: From;
  readonly where?: Expression;
  readonly groupBy: readonly Expression[];
  readonly having?: Expression;
  readonly qualify?: Expression;
}

export type SelectItem =
  | { readonly op: 'all'; readonly of?: Name; readonly at: Span }
  | { readonly op: 'item'; readonly expression: Expression; readonly alias?: Name; readonly at: Span };

export type From = TableReference | Subquery | WindowTable | Join;

export interface TableReference extends Node {
  readonly op: 'table';
  readonly name: Name;
  readonly alias?: Name;
  /** `FOR SYSTEM_TIME AS OF …`: the version that is valid then. */
  readonly asOf?: Expression;
}

export interface Subquery extends Node {
  readonly op: 'subquery';
  readonly query: Query;
  readonly alias?: Name;
}

/** `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))`. */
export interface WindowTable extends Node {
  readonly op: 'window-table';
  readonly kind: WindowKind;
  readonly input: TableReference | Subquery;
  readonly column: Name;
  readonly sizes: readonly Expression[];
  readonly partition: readonly Expression[];
  readonly alias?: Name;
}
export type WindowKind = 'TUMBLE' | 'HOP' | 'SESSION' | 'CUMULATE';

export interface Join extends Node {
  readonly op: 'join';
  readonly kind: 'inner' | 'left' | 'right' | 'full';
  readonly left: From;
  readonly right: From;
  readonly on?: Expression;
  readonly using: readonly Name[];
}

export type Statement =
  | CreateTable
  | { readonly op: 'create-view'; readonly view: View; readonly at: Span }
  | Insert
  | { readonly op: 'query'; readonly query: Query; readonly at: Span }
  | Setting;

export interface CreateTable extends Node {
  readonly op: 'create-table';
  readonly name: Name;
  readonly columns: readonly ColumnDefinition[];
  readonly watermark?: { readonly column: Name; readonly delay: Expression; readonly at: Span };
  readonly options: readonly Option[];
}

export type ColumnDefinition =
  | { readonly op: 'physical'; readonly name: Name; readonly type: TypeName; readonly at: Span }
  | { readonly op: 'computed'; readonly name: Name; readonly expression: Expression; readonly at: Span };

export interface Option {
  readonly name: Name;
  readonly value: Name;
}

export interface Insert extends Node {
  readonly op: 'insert';
  readonly table: Name;
  readonly columns: readonly Name[];
  readonly query: Query;
}

export interface Setting extends Node {
  readonly op: 'set';
  readonly name: Name;
  readonly value: Name;
}
