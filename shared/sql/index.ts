export { declaredTable, durationText } from './declared.ts';
export { type InferredFormat, inferTable, timeColumnsOf } from './infer.ts';
export { type SqlOptions, sqlPipeline } from './program.ts';
export type { TableDefinition } from './tables.ts';
