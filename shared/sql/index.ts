export type { Arrange } from './arrange.ts';
export { declaredTable, durationText, timeText } from './declared.ts';
export { type InferredFormat, inferredFormats, inferTable, timeColumnsOf } from './infer.ts';
export { kebab } from './names.ts';
export { type SqlOptions, sqlPipeline } from './program.ts';
export { type SqlQuery, type SqlQueryOptions, type SqlValue, sql, sqlQuery } from './sql.ts';
export type { TableDefinition } from './tables.ts';
