import type { StoredRecord } from '#local/kinesis/types.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** Whether a record is sent to the function. */
export type RecordFilter = (record: StoredRecord) => boolean;

/**
 * Lambda's filters for Kinesis: a record passes if one pattern matches. Only the key `data` can be filtered on, and what is
 * not JSON does not pass. https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis-filtering.html
 *
 *     compileFilters(['{ "data": { "order": { "type": ["buy"], "count": [{ "numeric": [">", 10] }] } } }'])
 */
export function compileFilters(patterns: readonly string[]): RecordFilter {
  const matchers = patterns.map(compilePattern);
  if (matchers.length === 0) return () => true;
  return (record) => {
    const data = parseJson(new TextDecoder().decode(record.data));
    return data !== undefined && matchers.some((matches) => matches(data.value));
  };
}

type Matcher = (value: unknown) => boolean;

function compilePattern(text: string): Matcher {
  const pattern = parseJson(text)?.value;
  if (!isObject(pattern)) throw refuse(text, 'it is not a JSON object');
  const others = Object.keys(pattern).filter((key) => key !== 'data');
  if (others.length > 0) throw refuse(text, `Kinesis mappings filter on "data" only, not on "${others.join('", "')}"`);
  const data = pattern['data'];
  if (data === undefined) return () => true;
  if (!isObject(data)) throw refuse(text, '"data" is not an object');
  return compileObject(data, text);
}

/** All fields must match; `$or` holds alternatives, of which one must. */
function compileObject(pattern: Readonly<Record<string, unknown>>, text: string): Matcher {
  const fields = Object.entries(pattern).map(([name, rule]): Matcher => {
    if (name === '$or' && Array.isArray(rule)) {
      const branches = rule.map((branch) => {
        if (!isObject(branch)) throw refuse(text, '"$or" holds something that is not an object');
        return compileObject(branch, text);
      });
      return (value) => branches.some((matches) => matches(value));
    }
    const matches = compileField(rule, text);
    return (value) => matches(isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined);
  });
  return (value) => {
    // A field inside a list of objects matches if one of them does.
    const candidates = Array.isArray(value) ? value : [value];
    return candidates.some((candidate) => fields.every((matches) => matches(candidate)));
  };
}

function compileField(rule: unknown, text: string): Matcher {
  if (isObject(rule)) return compileObject(rule, text);
  if (!Array.isArray(rule) || rule.length === 0) throw refuse(text, 'a field is neither an object nor a list of rules');
  const rules = rule.map((each) => compileRule(each, text));
  return (value) => rules.some((matches) => matches(value));
}

function compileRule(rule: unknown, text: string): Matcher {
  if (!isObject(rule)) return onLeaves((leaf) => leaf === rule);
  const [[name, operand] = ['', undefined], ...rest] = Object.entries(rule);
  if (rest.length > 0) throw refuse(text, 'a rule holds more than one comparison');
  switch (name) {
    case 'exists':
      // Only leaves exist: an object is looked into, not compared.
      return (value) => (operand === true) === (value !== undefined && !isObject(value));
    case 'anything-but': {
      const unwanted = compileUnwanted(operand, text);
      return onLeaves((leaf) => !unwanted(leaf));
    }
    case 'numeric':
      return onLeaves(compileNumeric(operand, text));
    default:
      return onLeaves(compileText(name, operand, text));
  }
}

function compileUnwanted(operand: unknown, text: string): Matcher {
  if (isObject(operand)) {
    const [[name, inner] = ['', undefined]] = Object.entries(operand);
    return compileText(name, inner, text);
  }
  const unwanted: readonly unknown[] = Array.isArray(operand) ? operand : [operand];
  return (leaf) => unwanted.includes(leaf);
}

function compileText(name: string, operand: unknown, text: string): Matcher {
  if (typeof operand !== 'string') throw refuse(text, `"${name}" needs a string`);
  switch (name) {
    case 'prefix':
      return (leaf) => typeof leaf === 'string' && leaf.startsWith(operand);
    case 'suffix':
      return (leaf) => typeof leaf === 'string' && leaf.endsWith(operand);
    case 'equals-ignore-case':
      return (leaf) => typeof leaf === 'string' && leaf.toLowerCase() === operand.toLowerCase();
    default:
      throw refuse(text, `there is no comparison "${name}"`);
  }
}

function compileNumeric(operand: unknown, text: string): Matcher {
  const parts: readonly unknown[] = Array.isArray(operand) ? operand : [];
  if (parts.length === 0 || parts.length % 2 !== 0)
    throw refuse(text, '"numeric" needs pairs of a comparison and a number');
  const comparisons: ((leaf: number) => boolean)[] = [];
  for (let index = 0; index < parts.length; index += 2) {
    const bound = parts[index + 1];
    if (typeof bound !== 'number') throw refuse(text, '"numeric" compares with something that is not a number');
    comparisons.push(compare(parts[index], bound, text));
  }
  return (leaf) => typeof leaf === 'number' && comparisons.every((holds) => holds(leaf));
}

function compare(operator: unknown, bound: number, text: string): (leaf: number) => boolean {
  switch (operator) {
    case '=':
      return (leaf) => leaf === bound;
    case '<':
      return (leaf) => leaf < bound;
    case '<=':
      return (leaf) => leaf <= bound;
    case '>':
      return (leaf) => leaf > bound;
    case '>=':
      return (leaf) => leaf >= bound;
    default:
      throw refuse(text, `"numeric" does not know ${JSON.stringify(operator)}`);
  }
}

/** A list matches if one of its elements does; what is absent, and what is an object, matches no comparison. */
function onLeaves(matches: Matcher): Matcher {
  return (value) => {
    const leaves: readonly unknown[] = Array.isArray(value) ? value : [value];
    return leaves.some((leaf) => leaf !== undefined && !isObject(leaf) && matches(leaf));
  };
}

function refuse(text: string, reason: string): MillraceError {
  return new MillraceError('SETTING_INVALID', `The filter pattern ${text} is refused: ${reason}.`);
}

function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
