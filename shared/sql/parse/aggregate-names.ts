/** The functions of many records, in upper case. What each of them keeps is in `aggregates.ts`. */
export const aggregateNames: ReadonlySet<string> = new Set(
  `COUNT SUM AVG MIN MAX VARIANCE VAR_SAMP VAR_POP STDDEV STDDEV_SAMP STDDEV_POP COVAR_SAMP COVAR_POP CORR FIRST_VALUE LAST_VALUE ARG_MIN ARG_MAX
   BOOL_AND BOOL_OR APPROX_COUNT_DISTINCT APPROX_QUANTILE APPROX_PERCENTILE`.split(/\s+/),
);

/** Functions of the rows of a window, which number them. */
export const rankNames: ReadonlySet<string> = new Set(['ROW_NUMBER', 'RANK', 'DENSE_RANK']);
