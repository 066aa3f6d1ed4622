/** The metrics of Millrace, by the names that every host reports them under. */
export type MetricName =
  | 'records_in_total'
  | 'bytes_in_total'
  | 'late_records_total'
  | 'rejected_records_total'
  | 'duplicates_suppressed_total'
  | 'millis_behind_latest'
  | 'processing_latency_ms'
  | 'busy_ratio'
  | 'drain_load'
  | 'state_keys'
  | 'open_windows'
  | 'checkpoint_duration_ms'
  | 'checkpoint_age_ms'
  | 'checkpoint_bytes'
  | 'leases'
  | 'fenced_writes_total'
  | 'retries_total'
  | 'file_rows_total'
  | 'lookups_total'
  | 'lookup_hits_total'
  | 'lookup_reads_total'
  | 'dead_letters_total';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Metrics and structured logs. Never throws and never waits: telemetry must not stop the data. */
export interface Telemetry {
  /** Names ending in `_total` are added up; all others are the latest value. */
  readonly metric: (name: MetricName, value: number, labels?: Readonly<Record<string, string>>) => void;
  readonly log: (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;
  /** Sends what was gathered; a Lambda host calls it at the end of each invocation. */
  readonly flush: () => void;
}
