import { type Drawing, type Flow, fieldsOf, table, textsOf } from './drawing.ts';
import type { Field, Fields } from './expressions.ts';
import { derivedOf, drawAligned, drawGlobal, drawOwn } from './windows.ts';

/** Two of them square the number of records twice. */
const joinsMax = 2;

/** Draws what has state, or ends a branch. */
export function drawStep(drawing: Drawing): void {
  const of = drawing.flow();
  // What happens to rows may only be added up.
  const any = [
    ...[drawAligned, drawAligned, drawAligned, drawOwn, drawOwn, drawGlobal],
    ...[drawRunning, drawSelected, drawProcessed, drawProcessed, drawJoined, drawTableJoined],
  ];
  if (of.change === undefined) drawing.random.pick(any)(drawing, of);
  else drawRunning(drawing, of);
}

function drawRunning(drawing: Drawing, of: Flow): void {
  const { random } = drawing;
  const { text, fields, key, change, joins } = drawing.keyed(of);
  const columns = change === undefined ? drawing.columns.some(fields, 3) : drawing.columns.ofChanges(fields, change);
  const derived = random.chance(0.3) ? drawing.columns.derived(columns, []) : [];
  const view = drawing.view();
  const options = random.pick(['', ', { refresh: milliseconds(0) }']);
  const base = drawing.variable('w', `${text}.aggregate('${view}', ${textsOf(columns)}${options})`);
  const feeds = random.chance(0.4);
  if (!feeds || random.chance(0.6)) drawing.outputs.push({ view, text: `${derivedOf(base, derived)}.to(${table})` });
  if (!feeds) return;
  // A key that all rows have left is there or not, as records were batched.
  const there = change === undefined ? '' : `.filter((r) => r.${columns[0]?.field.name} !== 0)`;
  const flow = { fields: fieldsOf(key, columns), isRows: true, change: 'change', joins };
  drawing.flows.push({ ...flow, text: drawing.variable('r', `${base}.asChanges()${there}`) });
}

function drawSelected(drawing: Drawing, of: Flow): void {
  const { text, fields } = drawing.random.chance(0.5) ? drawing.keyed(of) : of;
  const view = drawing.view();
  const { text: columns } = selectors(drawing, fields, 3);
  // What gives nothing is not in its row.
  const some = drawing.random.chance(0.3)
    ? `{ ${drawing.columns.name('c')}: (r) => (${drawing.expressions.of('boolean', fields)} ? 1 : undefined), ...${columns} }`
    : columns;
  const select = `${text}.select('${view}', ${some})`;
  drawing.finish({ text: select, view, isFinal: true, joins: of.joins });
}

function drawProcessed(drawing: Drawing, of: Flow): void {
  const { random } = drawing;
  const view = drawing.view();
  const { text, fields, key, joins } = drawing.keyed(of);
  const time: Field = { name: 'time', kind: 'date' };
  const { text: columns, fields: selected } = selectors(drawing, fields, 3);
  const lateness = drawing.lateness();
  const finish = (made: string, rows: Fields): boolean =>
    drawing.finish({ text: `${text}.${made}`, view, rows: fieldsOf(key, [time, ...rows]), isFinal: true, joins });
  const burst = random.chance(0.5) ? `, burst: ${random.between(1, 3)}` : '';
  const bucket = `limit: ${random.between(1, 3)}, per: ${drawing.duration(1, 10)}${burst}`;
  random.pick([
    () =>
      finish(`dedupe('${view}', { columns: ${columns}, within: ${drawing.duration(0, 10)}, ${lateness} })`, selected),
    () =>
      finish(`throttle('${view}', { columns: ${columns}, ${bucket}, ${lateness} })`, [
        { name: 'over', kind: 'boolean' },
        ...selected,
      ]),
    () => {
      const { text: options, rows } = processOptions(drawing, fields);
      finish(`process('${view}', { ${options}, ${lateness} })`, rows);
    },
  ])();
}

/** Counts a key's records and keeps the last of them as a text; says so now and then, or at its timers. */
function processOptions(drawing: Drawing, fields: Fields): { readonly text: string; readonly rows: Fields } {
  const { random, columns, unitMs } = drawing;
  const [value, records, last] = ['c', 'c', 'c'].map((prefix) => columns.name(prefix));
  const silenceMs = unitMs * random.between(1, 4);
  const hasTimer = random.chance(0.5);
  const set = hasTimer ? `if (n % 3 === 1) setTimer(timeMs + ${silenceMs});` : '';
  const forget = hasTimer && random.chance(0.4) ? `deleteTimer(timeMs + ${silenceMs} - 1);` : '';
  const told = `emit({ ${records}: n, ${last}: text });`;
  const refusal = random.chance(0.3) ? `if (${value} === 3) throw new Error('three');` : '';
  const onEvent = `({ ${value} }, { state, timeMs, setTimer, deleteTimer, emit }) => {
    ${refusal}
    const n = state.get().n + 1;
    const text = (state.get().text + ',' + ${value}).slice(-20);
    state.set({ n, text });
    ${set} ${forget}
    if (n % ${random.between(1, 3)} === 0) ${told}
  }`;
  const end = random.pick(['state.clear();', '']);
  const onTimer = `(timeMs, { state, emit }) => { const { n, text } = state.get(); ${told} ${end} }`;
  const options = [
    `columns: { ${value}: ${drawing.expressions.callback(fields, 'number')} }`,
    `emits: { ${records}: 'number', ${last}: 'string' }`,
    "state: () => ({ n: 0, text: '' })",
    `onEvent: ${onEvent}`,
    ...(hasTimer ? [`onTimer: ${onTimer}`] : []),
    `ttl: milliseconds(${silenceMs * 5})`,
  ];
  return {
    text: options.join(', '),
    rows: [
      { name: records as string, kind: 'number' },
      { name: last as string, kind: 'string' },
    ],
  };
}

function drawJoined(drawing: Drawing, of: Flow): void {
  const { random, unitMs } = drawing;
  const sides = sidesOf(drawing, of);
  if (sides === undefined) return;
  const { left, right, one, other, joins } = sides;
  const isEver = random.chance(0.15);
  const kind = isEver ? 'inner' : random.pick(['inner', 'left', 'full']);
  const from = random.between(-4, 2);
  const within = [from, from + random.between(0, 5)].map((units) => `milliseconds(${units * unitMs})`);
  const options = isEver ? "within: 'ever'" : `within: [${within.join(', ')}], kind: '${kind}', ${drawing.lateness()}`;
  const view = drawing.view();
  const maybe = (fields: Fields, may: boolean): Fields =>
    fields.map((field) => (may ? { ...field, mayMiss: true } : field));
  drawing.finish({
    text: `${left.text}.join(${right.text}, { ${options} }).select('${view}', { left: ${one.text}, right: ${other.text} })`,
    view,
    rows: fieldsOf(left.key, [
      ...maybe([{ name: 'leftTime', kind: 'date' }, ...one.fields], kind === 'full'),
      ...maybe([{ name: 'rightTime', kind: 'date' }, ...other.fields], kind !== 'inner'),
    ]),
    isFinal: true,
    joins,
  });
}

function drawTableJoined(drawing: Drawing, of: Flow): void {
  const { random } = drawing;
  const sides = sidesOf(drawing, of);
  if (sides === undefined) return;
  const { left, right, one, other, joins } = sides;
  const options = [
    `kind: '${random.pick(['inner', 'left'])}'`,
    drawing.lateness(),
    ...(random.chance(0.4) ? [`deletes: ${drawing.expressions.callback(right.fields, 'boolean')}`] : []),
    ...(random.chance(0.3) ? [`ttl: ${drawing.duration(1, 10)}`] : []),
  ];
  const view = drawing.view();
  const ofTable = [{ name: 'tableTime', kind: 'date' } as const, ...other.fields];
  drawing.finish({
    text: `${left.text}.joinTable(${right.text}, { ${options.join(', ')} }).select('${view}', { left: ${one.text}, right: ${other.text} })`,
    view,
    rows: fieldsOf(left.key, [
      { name: 'time', kind: 'date' },
      ...one.fields,
      ...ofTable.map((field): Field => ({ ...field, mayMiss: true })),
    ]),
    isFinal: true,
    joins,
  });
}

/** Both sides of a join, which have one key. */
function sidesOf(drawing: Drawing, of: Flow) {
  const others = drawing.flows.filter(({ change, joins }) => change === undefined && joins + of.joins < joinsMax);
  if (others.length === 0) return undefined;
  const left = drawing.keyed(of);
  const right = drawing.keyed(drawing.random.pick(others), left.key);
  return {
    left,
    right,
    one: selectors(drawing, left.fields, 2),
    other: selectors(drawing, right.fields, 2),
    joins: left.joins + right.joins + 1,
  };
}

function selectors(
  { random, columns, expressions }: Drawing,
  fields: Fields,
  most: number,
): { readonly text: string; readonly fields: Fields } {
  const made = Array.from(
    { length: random.between(1, most) },
    (): Field => ({
      name: columns.name('c'),
      kind: random.pick(['string', 'number', 'boolean', 'json']),
    }),
  );
  const texts = made.map(({ name, kind }) => `${name}: ${expressions.callback(fields, kind)}`);
  return { text: `{ ${texts.join(', ')} }`, fields: made };
}
