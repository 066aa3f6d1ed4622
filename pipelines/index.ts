import { sqlPipelines } from '#shared/runtime/sql-files.ts';
import { archive } from './archive.ts';
import { bursts } from './bursts.ts';
import { busy } from './busy.ts';
import { errors } from './errors.ts';
import { flow } from './flow.ts';
import { nexmark } from './nexmark/index.ts';
import { owners } from './owners.ts';
import { traffic } from './traffic.ts';
import { visitors } from './visitors.ts';

/**
 * The registry, to which the files that end in .sql belong by themselves: every pipeline that hosts, the CDK app and the command line can find by its id. One in a folder has the folder's name before its own: `nexmark/q5` is
 * the pipeline `nexmark-q5`.
 */
export const pipelines = [
  traffic,
  flow,
  errors,
  archive,
  visitors,
  busy,
  bursts,
  owners,
  ...nexmark,
  ...sqlPipelines(),
];
