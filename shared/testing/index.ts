export type { DeadLetter } from '#shared/schemas/dead-letter.ts';
export type { RowOf, RowQuery, SourceOf, TestDriver, TestDriverOptions } from './driver.ts';
export { testDriver } from './driver.ts';
export type { FaultKind, FaultOptions, FaultRates } from './faults.ts';
