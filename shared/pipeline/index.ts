export type { Aggregator, AnyAggregator, Json } from './aggregator.ts';
export { argMax } from './aggregators/arg-max.ts';
export { argMaxAll } from './aggregators/arg-max-all.ts';
export { argMin } from './aggregators/arg-min.ts';
export { collect } from './aggregators/collect.ts';
export { count } from './aggregators/count.ts';
export { countDistinct } from './aggregators/count-distinct.ts';
export { correlation, covariance } from './aggregators/covariance.ts';
export { decimalSum } from './aggregators/decimal-sum.ts';
export { type Distinct, distinct } from './aggregators/distinct.ts';
export { ewma } from './aggregators/ewma.ts';
export { type DistinctCount, exactDistinct } from './aggregators/exact-distinct.ts';
export { first } from './aggregators/first.ts';
export { histogram } from './aggregators/histogram.ts';
export { last } from './aggregators/last.ts';
export {
  type LinearFit,
  linearRegression,
  type MultipleFit,
  multipleRegression,
} from './aggregators/linear-regression.ts';
export { max } from './aggregators/max.ts';
export { mean } from './aggregators/mean.ts';
export { min } from './aggregators/min.ts';
export { quantile } from './aggregators/quantile.ts';
export { quantiles } from './aggregators/quantiles.ts';
export { rateOfChange } from './aggregators/rate-of-change.ts';
export { sampled } from './aggregators/sampled.ts';
export { sum } from './aggregators/sum.ts';
export { type Frequent, topK } from './aggregators/top-k.ts';
export { type SpreadOptions, stddev, variance } from './aggregators/variance.ts';
export { zScore } from './aggregators/z-score.ts';
export { type AnomalyOptions, anomalies } from './anomalies.ts';
export { union } from './combine.ts';
export type { Decoder } from './decoder.ts';
export { avro } from './decoders/avro.ts';
export { type AccessLogRecord, type CommonLogRecord, combinedLog, commonLog } from './decoders/combined-log.ts';
export { type CsvColumnType, csv } from './decoders/csv.ts';
export { json } from './decoders/json.ts';
export { jsonDocument } from './decoders/json-document.ts';
export { protobuf } from './decoders/protobuf.ts';
export { type SyslogRecord, syslog } from './decoders/syslog.ts';
export { type VpcFlowLogRecord, vpcFlowLog } from './decoders/vpc-flow-log.ts';
export { type Derived, part, prediction, rate, ratio, shareOfTotal } from './derive.ts';
export { type Duration, days, hours, milliseconds, minutes, seconds } from './duration.ts';
export { type Enriching, type EnrichOptions, type LookupTable, lookupTable } from './enrich.ts';
export type { JoinKind } from './join.ts';
export type { JoinedStream, JoinedTable } from './joined.ts';
export type { Parts } from './parts.ts';
export { type AnyOutput, type Pipeline, type PipelineOptions, pipeline } from './pipeline.ts';
export type { Placement } from './placement.ts';
export type { Plan } from './plan.ts';
export type { ProcessContext, RowColumns, TableJoinKind } from './process.ts';
export type { ProcessedTable, TableJoinedStream } from './processed.ts';
export {
  boolean,
  type Field,
  integer,
  list,
  nullable,
  number,
  oneOf,
  optional,
  record,
  string,
  timestamp,
} from './record.ts';
export type { FinalTable, FinalWindowedStream, FinalWindowTable, TopTable } from './rows.ts';
export type { RunningTable } from './running.ts';
export type { SelectedTable } from './select.ts';
export { dynamodb, kinesis, type SinkSpec, s3 } from './sink.ts';
export {
  type KeyedStream,
  type Output,
  type Source,
  type Stream,
  stream,
} from './stream.ts';
export type { ThrottleOptions, Throttling } from './throttle.ts';
export {
  type AlignedWindow,
  type CalendarWindow,
  type CountWindow,
  type CumulativeWindow,
  calendar,
  countWindow,
  cumulative,
  everyRecords,
  everyTime,
  type GlobalWindow,
  global,
  type SlidingWindow,
  session,
  sliding,
  type TumblingWindow,
  tumbling,
  type WindowSpec,
} from './window.ts';
export type { WindowedStream, WindowedTable } from './window-options.ts';
