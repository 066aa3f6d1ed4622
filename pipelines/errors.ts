import { days, dynamodb, minutes, pipeline, seconds } from '#shared/pipeline/index.ts';
import { requests } from './traffic.ts';

/** Flow records know nothing of paths and statuses. */
const logged = requests.filter((record) => 'timeMs' in record);
const views = logged.filter((view) => view.status < 400).keyBy((view) => ({ ip: view.host }));
const failed = logged.filter((request) => request.status >= 400).keyBy((request) => ({ ip: request.host }));

/** Each page view with each error that its visitor met within the minute that followed. */
const viewsWithErrors = views
  .join(failed, { within: [seconds(0), minutes(1)], allowedLateness: seconds(0) })
  .select('views-with-errors', {
    left: { page: (view) => view.path },
    right: { path: (error) => error.path, status: (error) => error.status },
  })
  .to(dynamodb({ ttl: days(7) }));

/** Each error with each page that its visitor viewed in the minute before; without a page, when there was none. */
const errorsWithViews = failed
  .join(views, { within: [minutes(-1), seconds(0)], kind: 'left', allowedLateness: seconds(0) })
  .select('errors-with-views', {
    left: { path: (error) => error.path, status: (error) => error.status },
    right: { page: (view) => view.path },
  })
  .to(dynamodb({ ttl: days(7) }));

/** Where do errors come from? */
export const errors = pipeline('errors', [viewsWithErrors, errorsWithViews]);
