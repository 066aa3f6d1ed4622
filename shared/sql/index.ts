export { kebab } from '#shared/sql/parse/names.ts';
export type { Arrange } from '#shared/sql/relations/arrange.ts';
export { declaredTable, durationText, timeText } from '#shared/sql/tables/declared.ts';
export { type InferredFormat, inferredFormats, inferTable, timeColumnsOf } from '#shared/sql/tables/infer.ts';
export { binaryAdvice, binaryFormats } from '#shared/sql/tables/table-formats.ts';
export type { TableDefinition } from '#shared/sql/tables/tables.ts';
export { type SqlOptions, sqlPipeline } from './program.ts';
export { type SqlQuery, type SqlQueryOptions, type SqlValue, sql, sqlQuery } from './sql.ts';
