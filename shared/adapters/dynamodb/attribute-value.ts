import type { AttributeValue } from '@aws-sdk/client-dynamodb';

/**
 * A value as an attribute: texts S, numbers N, true and false BOOL, lists L, objects M, as any reader of the table expects.
 * Numbers that DynamoDB does not know (not finite, or of more digits or a wider exponent than N has) become
 * `{ M: { $number: { S: 'Infinity' } } }`, whole numbers of any size `{ M: { $bigint: { S: '12' } } }`. What JSON leaves out
 * is undefined.
 */
export function toAttribute(value: unknown): AttributeValue | undefined {
  switch (typeof value) {
    case 'string':
      return { S: value };
    case 'number':
      return isNumberOfDynamoDb(value) ? { N: String(value) } : { M: { $number: { S: String(value) } } };
    case 'boolean':
      return { BOOL: value };
    case 'bigint':
      return { M: { $bigint: { S: String(value) } } };
    case 'object':
      return value === null ? { NULL: true } : toContainer(value);
    case 'undefined':
    case 'function':
    case 'symbol':
      return undefined;
  }
}

/** The value that `toAttribute` was given. */
export function fromAttribute(attribute: AttributeValue): unknown {
  if (attribute.S !== undefined) return attribute.S;
  if (attribute.N !== undefined) return Number(attribute.N);
  if (attribute.BOOL !== undefined) return attribute.BOOL;
  if (attribute.B !== undefined) return attribute.B;
  if (attribute.L !== undefined) return attribute.L.map(fromAttribute);
  if (attribute.M === undefined) return null;
  const { $number, $bigint } = attribute.M;
  if ($number?.S !== undefined) return Number($number.S);
  if ($bigint?.S !== undefined) return BigInt($bigint.S);
  return Object.fromEntries(Object.entries(attribute.M).map(([name, inner]) => [name, fromAttribute(inner)]));
}

/** N holds magnitudes from 1E-130 to 9.99E+125, and 38 digits; the shortest text of a double has at most 17. */
function isNumberOfDynamoDb(value: number): boolean {
  const magnitude = Math.abs(value);
  return magnitude === 0 || (magnitude >= 1e-130 && magnitude < 1e126);
}

function toContainer(value: object): AttributeValue {
  if (Array.isArray(value)) return { L: value.map((inner) => toAttribute(inner) ?? { NULL: true }) };
  if (value instanceof Uint8Array) return { B: value };
  if ('toJSON' in value && typeof value.toJSON === 'function') return toAttribute(value.toJSON()) ?? { NULL: true };
  const attributes: Record<string, AttributeValue> = {};
  for (const [name, inner] of Object.entries(value)) {
    const attribute = toAttribute(inner);
    if (attribute !== undefined) attributes[name] = attribute;
  }
  return { M: attributes };
}
