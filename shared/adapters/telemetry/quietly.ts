/** Runs what writes telemetry. It must not stop the data, so a failure is one line on standard error and no more. */
export function quietly(write: () => void): void {
  try {
    write();
  } catch (error) {
    console.error('Telemetry could not be written.', error);
  }
}

/** Fields in a form that any logger can write: errors with what they hold, circles cut, numbers of any size. */
export function plainFields(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const parents: unknown[] = [];
  const plain = (value: unknown): unknown => {
    if (typeof value === 'bigint') return value.toString();
    if (typeof value !== 'object' || value === null) return value;
    if (parents.includes(value)) return '[circular]';
    if (parents.length === depthMax) return '[deep]';
    parents.push(value);
    const copy = copyOf(value, plain);
    parents.pop();
    return copy;
  };
  return plain(fields) as Readonly<Record<string, unknown>>;
}

const depthMax = 8;

function copyOf(value: object, plain: (value: unknown) => unknown): unknown {
  if (value instanceof Error) {
    const { name, message, stack, cause } = value;
    return plainEntries({ ...value, name, message, stack, ...(cause === undefined ? {} : { cause }) }, plain);
  }
  if (Array.isArray(value)) return value.map(plain);
  if ('toJSON' in value && typeof value.toJSON === 'function') return plain(value.toJSON());
  return plainEntries(value, plain);
}

function plainEntries(value: object, plain: (value: unknown) => unknown): object {
  return Object.fromEntries(Object.entries(value).map(([name, it]) => [name, plain(it)]));
}
