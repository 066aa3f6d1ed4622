import type { Drawing, Flow } from './drawing.ts';
import type { Field, Fields } from './expressions.ts';

/** The table in which records are looked up. */
const itemsTable =
  "const items = lookupTable('items', { key: { id: 'string' }, schema: z.object({ id: z.string(), plan: z.string() }) });";

/** Draws what has no state: another stream is made of one. */
export function drawTransform(drawing: Drawing): void {
  const { random } = drawing;
  const make = random.pick([filtered, mapped, mapped, mapped, flattened, branched, united, sampled, enriched, thrown]);
  make(drawing, drawing.flow());
}

function filtered(drawing: Drawing, of: Flow): void {
  keep(drawing, of, `${of.text}.filter(${drawing.expressions.callback(of.fields, 'boolean')})`);
}

function mapped(drawing: Drawing, of: Flow): void {
  const { random, expressions, columns } = drawing;
  const { fields, text, change } = of;
  if (random.chance(0.4)) {
    keep(drawing, of, `${text}.map((r) => (${withAnother(drawing, of)}))`);
    return;
  }
  const kept = fields.filter(() => random.chance(0.5));
  const made = Array.from(
    { length: random.between(1, 2) },
    (): Field => ({
      name: columns.name('f'),
      kind: random.pick(['string', 'number', 'boolean', 'json']),
    }),
  );
  const texts = [
    ...(change === undefined ? [] : [`${change}: r.${change}`]),
    ...kept.map(({ name }) => `${name}: r.${name}`),
    ...made.map(({ name, kind }) => `${name}: ${expressions.of(kind, fields)}`),
  ];
  keep(drawing, of, `${text}.map((r) => ({ ${texts.join(', ')} }))`, [...kept, ...made]);
}

/** Some records are more than a callback can take. */
function thrown(drawing: Drawing, of: Flow): void {
  const condition = drawing.expressions.of('boolean', of.fields);
  const text = `${of.text}.map((r) => { if (${condition} && ${drawing.expressions.of('boolean', of.fields)}) throw new Error('too much'); return r; })`;
  keep(drawing, of, text);
}

function flattened(drawing: Drawing, of: Flow): void {
  const condition = drawing.expressions.of('boolean', of.fields);
  const another = withAnother(drawing, of);
  const list = drawing.random.pick([
    `${condition} ? [r] : []`,
    `[r, ${another}]`,
    `${condition} ? [${another}] : [r, r]`,
  ]);
  keep(drawing, of, `${of.text}.flatMap((r) => (${list}))`);
}

function branched(drawing: Drawing, of: Flow): void {
  const [one, two] = [0, 1].map(() => drawing.expressions.callback(of.fields, 'boolean'));
  const parts = drawing.variable('p', `${of.text}.branch({ one: ${one}, two: ${two} })`);
  for (const part of ['one', 'two', 'otherwise'])
    if (drawing.random.chance(0.6)) drawing.flows.push({ ...of, text: `${parts}.${part}` });
}

function united(drawing: Drawing, of: Flow): void {
  const alike = drawing.flows.filter(
    ({ change, fields }) => change === of.change && typeOf(fields) === typeOf(of.fields),
  );
  const other = drawing.random.pick(alike);
  drawing.flows.push({
    ...of,
    text: drawing.variable('u', `union(${of.text}, ${other.text})`),
    isRows: of.isRows || other.isRows,
    joins: Math.max(of.joins, other.joins),
  });
}

function sampled(drawing: Drawing, of: Flow): void {
  const { random, expressions } = drawing;
  const by = expressions.callback(of.fields, random.pick(['string', 'number']));
  // What a row is sampled by must not be its change, nor the order of its columns.
  const options = !of.isRows && random.chance(0.5) ? '' : `, { by: ${by}, seed: ${random.below(9)} }`;
  keep(drawing, of, `${of.text}.sample(${random.pick([0, 0.5, 0.9, 1])}${options})`);
}

/** Rows are not enriched. */
function enriched(drawing: Drawing, of: Flow): void {
  if (of.isRows) return;
  const { random, expressions, columns, statements } = drawing;
  if (!statements.includes(itemsTable)) statements.unshift(itemsTable);
  const found = columns.name('e');
  const key = random.chance(0.8)
    ? `(r) => ({ id: \`i\${${expressions.of('string', of.fields)}}\` })`
    : `(r) => (${expressions.of('boolean', of.fields)} ? { id: 'ia' } : undefined)`;
  const combine = `(r, item) => ({ ...r, ${found}: item?.plan ?? 'none' })`;
  const text = `${of.text}.enrich(items, { key: ${key}, freshness: minutes(5) }, ${combine})`;
  keep(drawing, of, text, [...of.fields, { name: found, kind: 'string' }]);
}

function keep(drawing: Drawing, of: Flow, text: string, fields: Fields = of.fields): void {
  drawing.flows.push({ ...of, fields, text: drawing.variable('m', text) });
}

/** The record with one field written anew, of the same kind. */
function withAnother({ random, expressions }: Drawing, { fields }: Flow): string {
  const some = fields.filter(({ kind }) => kind !== 'date' && kind !== 'time');
  if (some.length === 0) return '{ ...r }';
  const { name, kind } = random.pick(some);
  return `{ ...r, ${name}: ${expressions.of(kind, fields)} }`;
}

function typeOf(fields: Fields): string {
  return fields
    .map(({ name, kind, mayMiss }) => `${name}:${kind}:${mayMiss === true}`)
    .sort()
    .join();
}
