import { days, dynamodb, minutes, pipeline, seconds } from '#shared/pipeline/index.ts';
import { requests } from './traffic.ts';

/** Flow records know nothing of paths and statuses. */
const logged = requests.filter((record) => 'timeMs' in record);
const byIp = logged.keyBy((request) => ({ ip: request.host }));
const sink = dynamodb({ ttl: days(7) });

/** Who has come? The first request of an address, and the next one that is more than ten minutes after the last one shown. */
const arrivals = byIp
  .dedupe('arrivals', {
    columns: { page: (request) => request.path },
    within: minutes(10),
    allowedLateness: seconds(0),
  })
  .to(sink);

/** The beginning says which: a key has at most 1,024 bytes. */
const pageOf = (request: { readonly path: string }): string => request.path.slice(0, 100);

const answers = logged.filter((request) => request.status !== 304).keyBy((answer) => ({ page: pageOf(answer) }));

/** What did browsers have a copy of? Each "not modified" with the last whole answer of its page, unless an error came since. */
const notModified = logged
  .filter((request) => request.status === 304)
  .keyBy((request) => ({ page: pageOf(request) }))
  .joinTable(answers, { kind: 'left', deletes: (answer) => answer.status >= 400, allowedLateness: seconds(0) })
  .select('not-modified', {
    left: { ip: (request) => request.host },
    right: { bytes: (answer) => answer.bytes },
  })
  .to(sink);

interface Streak {
  readonly errors: number;
  readonly sinceMs: number;
  readonly lastMs: number;
}
const patience = minutes(10);
const shownErrorsMin = 3;

/** Who got nothing but errors? Three or more without a success between, and whether a success or ten minutes of silence ended them. */
const errorStreaks = byIp
  .process('error-streaks', {
    columns: { status: (request) => request.status },
    emits: { errors: 'number', sinceMs: 'number', ended: 'string' },
    state: (): Streak => ({ errors: 0, sinceMs: 0, lastMs: 0 }),
    onEvent: ({ status }, { state, timeMs, emit, setTimer, deleteTimer }) => {
      const { errors, sinceMs, lastMs } = state.get();
      if (errors > 0) deleteTimer(lastMs + patience);
      if (status >= 400) {
        state.set({ errors: errors + 1, sinceMs: errors === 0 ? timeMs : sinceMs, lastMs: timeMs });
        setTimer(timeMs + patience);
      } else {
        if (errors >= shownErrorsMin) emit({ errors, sinceMs, ended: 'success' });
        state.clear();
      }
    },
    onTimer: (_, { state, emit }) => {
      const { errors, sinceMs } = state.get();
      if (errors >= shownErrorsMin) emit({ errors, sinceMs, ended: 'silence' });
      state.clear();
    },
    ttl: patience,
    allowedLateness: seconds(0),
  })
  .to(sink);

/** Who comes, and what becomes of them? */
export const visitors = pipeline('visitors', [arrivals, notModified, errorStreaks]);
