/**
 * Runs inside the worker thread that is one execution environment: imports the bundle once and calls its handler for each
 * invocation. Nothing else of Millrace is loaded here but what lets it be killed at any time.
 */
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import type { Invocation, Report, Start } from './messages.ts';
import type { FunctionError } from './outcome.ts';
import { guardZlib } from './termination.ts';

type Handler = (event: unknown, context: unknown) => unknown;

const start: Start = workerData;
guardZlib(start.termination);
const handler = await importHandler();
if (handler !== undefined) {
  parentPort?.on('message', (invocation: Invocation) => void invoke(handler, invocation));
  send({ kind: 'ready' });
}

async function importHandler(): Promise<Handler | undefined> {
  try {
    const bundle: Record<string, unknown> = await import(pathToFileURL(start.bundlePath).href);
    const exported = bundle[start.handlerName] ?? property(bundle['default'], start.handlerName);
    if (isHandler(exported)) return exported;
    const errorMessage = `${start.bundlePath} does not export a function "${start.handlerName}". It exports: ${Object.keys(bundle).join(', ')}.`;
    send({ kind: 'start-failed', error: { errorType: 'Runtime.HandlerNotFound', errorMessage, trace: [] } });
  } catch (error) {
    const { errorType, errorMessage, trace } = describeError(error);
    send({
      kind: 'start-failed',
      error: {
        errorType: 'Runtime.ImportModuleError',
        errorMessage: `${start.bundlePath} cannot be imported: ${errorType}: ${errorMessage}`,
        trace,
      },
    });
  }
  return undefined;
}

async function invoke(handle: Handler, invocation: Invocation): Promise<void> {
  const { requestId } = invocation;
  const deadlineMs = Date.now() + invocation.timeoutMs;
  const context = {
    ...start.context,
    awsRequestId: requestId,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadlineMs - Date.now()),
  };
  try {
    const payload = await handle(JSON.parse(invocation.eventJson), context);
    send({ kind: 'responded', requestId, payloadJson: JSON.stringify(payload) ?? 'null' });
  } catch (error) {
    send({ kind: 'threw', requestId, error: describeError(error) });
  }
}

function describeError(error: unknown): FunctionError {
  if (!(error instanceof Error)) return { errorType: typeof error, errorMessage: String(error), trace: [] };
  return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') };
}

function send(report: Report): void {
  parentPort?.postMessage(report);
}

function isHandler(value: unknown): value is Handler {
  return typeof value === 'function';
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
