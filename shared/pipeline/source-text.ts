// Rows as literals in the source of a function, where no name may be read as code.

/** A property of an object literal. Otherwise a name that is `__proto__` would be none. */
export function property(name: string, value: string): string {
  const quoted = JSON.stringify(name);
  return `${name === '__proto__' ? `[${quoted}]` : quoted}: ${value}`;
}

/** The value of a column, which may have the name of something that every object has. */
export function ownValue(columns: string, name: string): string {
  const quoted = JSON.stringify(name);
  const value = `${columns}[${quoted}]`;
  return name in Object.prototype ? `(Object.hasOwn(${columns}, ${quoted}) ? ${value} : undefined)` : value;
}

/** What a row has, where some of its columns have nothing. */
export function definedOf(row: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
}
