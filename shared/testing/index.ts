export type { DeadLetter } from '#shared/schemas/dead-letter.ts';
export { arbitraries, type HistoryOptions, type StreamHistory } from './arbitraries.ts';
export type { BatchAggregate } from './batch/aggregates.ts';
export type { BatchFunction } from './batch/processed-rows.ts';
export type { RowOf, RowQuery, SourceOf, TestDriver, TestDriverOptions } from './driver.ts';
export { testDriver } from './driver.ts';
export type { FaultKind, FaultOptions, FaultRates } from './faults.ts';
export { planOf } from './plan-of.ts';
export { type BatchOptions, expectSameAsBatch, type Sent, sent } from './same-as-batch.ts';
