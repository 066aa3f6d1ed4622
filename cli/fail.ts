import { diskError, isDiskFull } from '#local/folder.ts';
import { isNodeError } from './node-error.ts';

/** Ends the command with exit code 1 and a message that says what happened and what to do; a stack trace only for a bug. */
export function fail(error: unknown): never {
  process.stderr.write(`millrace: ${describeError(error)}\n`);
  process.exit(1);
}

/** What `fail` prints of an error. */
export function describeError(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  const error = isNodeError(thrown) && thrown.path !== undefined ? diskError(thrown.path, thrown) : thrown;
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'MillraceError')
    return error.cause === undefined
      ? error.message
      : `${error.message}\n  cause: ${error.cause instanceof Error ? error.cause.message : String(error.cause)}`;
  if (error.name === 'CLIError')
    return `${error.message}. "millrace ${process.argv[2]} --help" says how the command is used.`;
  if (isDiskFull(error.message))
    return `DISK_FULL: ${error.message}. Make room and start again; what was accepted is kept.`;
  return error.stack ?? error.message;
}
