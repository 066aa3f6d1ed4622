import type { Column } from './columns.ts';
import { type Drawing, type Flow, fieldsOf, table, textsOf } from './drawing.ts';
import type { Field, Fields, Kind } from './expressions.ts';

const bounds: Fields = [
  { name: 'windowStart', kind: 'date' },
  { name: 'windowEnd', kind: 'date' },
];

/** Places with daylight saving of an hour, of half an hour, with days that were skipped, and with none of it. */
const zones = [
  'Europe/Berlin',
  'America/St_Johns',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'UTC',
  'Pacific/Apia',
];

export function drawAligned(drawing: Drawing, of: Flow): void {
  const { random } = drawing;
  const { text, fields, key, joins } = drawing.keyed(of);
  const isFinal = random.chance(0.55);
  const hasEarly = isFinal && random.chance(0.2);
  const options = [
    drawing.lateness(),
    ...(isFinal ? ["emit: 'on-close'"] : random.pick([[], ['refresh: milliseconds(1)']])),
    ...(hasEarly ? [`early: { every: ${drawing.duration(1, 3)}, time: 'event' }`] : []),
    ...(random.chance(0.2) ? ["placement: 'fargate'"] : []),
  ];
  const columns = drawing.columns.some(fields, 4);
  const derived = random.chance(0.4) ? drawing.columns.derived(columns, ['share', 'rate']) : [];
  const view = drawing.view();
  const window = `window(${alignedWindow(drawing)}, { ${options.join(', ')} })`;
  const base = drawing.variable('w', `${text}.${window}.aggregate('${view}', ${textsOf(columns)})`);
  const whole = derivedOf(base, derived);
  const rows = fieldsOf(key, [...bounds, ...columns]);
  const may = isFinal ? { rows, feed: base, hasEarly } : {};
  const ranks = isFinal && !hasEarly && random.chance(0.3) && drawRank();
  if (ranks && random.chance(0.4)) return;
  if (drawing.finish({ text: whole, view, isFinal, joins, ...may })) drawLate(drawing, fields, base);

  function drawRank(): boolean {
    const by = [...columns, ...derived].flatMap(({ numbers }) => numbers);
    if (by.length === 0) return false;
    const ranked = drawing.view();
    const shown = fieldsOf(key, [...bounds, ...columns, ...derived]);
    const isTop = random.chance(0.6);
    const as = isTop ? 'rank' : random.chance(0.5) ? drawing.columns.name('place') : undefined;
    const named = isTop || as === undefined ? '' : `, as: '${as}'`;
    drawing.finish({
      text: `${whole}.${isTop ? 'top' : 'rank'}('${ranked}', ${random.between(1, 4)}, { by: '${random.pick(by)}'${named} })`,
      view: ranked,
      rows: as === undefined ? shown : [{ name: as, kind: 'number' }, ...shown],
      isFinal: true,
      joins,
    });
    return true;
  }
}

function alignedWindow(drawing: Drawing): string {
  const { random } = drawing;
  const step = random.between(1, 4) * drawing.unitMs;
  const zone = `timeZone: '${random.pick(zones)}'`;
  return random.pick([
    `tumbling(${drawing.duration(1, 10)})`,
    `tumbling(${drawing.duration(1, 10)})`,
    `sliding(milliseconds(${step * random.between(1, 4)}), { every: milliseconds(${step}) })`,
    `sliding(milliseconds(${step * 3}), { every: milliseconds(${step * 2}) })`,
    `cumulative(milliseconds(${step * random.between(1, 5)}), { step: milliseconds(${step}) })`,
    `calendar('day', { ${zone} })`,
    `calendar('week', { ${zone}${random.pick(['', ", weekStart: 'sunday'"])} })`,
    `calendar('month', { ${zone} })`,
  ]);
}

/** Sessions and windows of n records. */
export function drawOwn(drawing: Drawing, of: Flow): void {
  const { random } = drawing;
  const { text, fields, key, joins } = drawing.keyed(of);
  const incomplete = random.pick(['', '', "incomplete: 'emit'", `incomplete: 'emit', ttl: ${drawing.duration(1, 20)}`]);
  const isCount = random.chance(0.4);
  const longest = random.chance(0.5) ? `, maxLength: ${drawing.duration(1, 9)}` : '';
  const window = isCount
    ? `countWindow(${random.pick([1, 2, 3, 7])}${incomplete === '' ? '' : `, { ${incomplete} }`})`
    : `session({ gap: ${drawing.duration(1, 4)}${longest} })`;
  const early = random.chance(0.15) ? `, early: { every: ${drawing.duration(1, 3)}, time: 'event' }` : '';
  const columns = drawing.columns.some(fields, 4);
  const derived = random.chance(0.3) ? drawing.columns.derived(columns, ['rate']) : [];
  const view = drawing.view();
  const options = `{ ${drawing.lateness()}${early} }`;
  const base = drawing.variable('w', `${text}.window(${window}, ${options}).aggregate('${view}', ${textsOf(columns)})`);
  // Incomplete windows would be late for others.
  const feeds = !(isCount && incomplete !== '');
  const may = feeds ? { rows: fieldsOf(key, [...bounds, ...columns]), feed: base, hasEarly: early !== '' } : {};
  const isOutput = drawing.finish({ text: derivedOf(base, derived), view, isFinal: true, joins, ...may });
  if (isOutput) drawLate(drawing, fields, base);
}

export function drawGlobal(drawing: Drawing, of: Flow): void {
  const { random } = drawing;
  const { text, fields } = drawing.keyed(of);
  const trigger = random.pick([
    `everyRecords(${random.between(1, 4)})`,
    `everyTime(${drawing.duration(1, 4)})`,
    `[everyRecords(2), everyTime(${drawing.duration(1, 4)})]`,
  ]);
  const ttl = random.chance(0.3) ? `, ttl: ${drawing.duration(1, 20)}` : '';
  const columns = drawing.columns.some(fields, 3);
  const derived = random.chance(0.3) ? drawing.columns.derived(columns, []) : [];
  const view = drawing.view();
  const window = `window(global({ trigger: ${trigger}${ttl} }), { ${drawing.lateness()} })`;
  const base = drawing.variable('w', `${text}.${window}.aggregate('${view}', ${textsOf(columns)})`);
  drawing.outputs.push({ view, text: `${derivedOf(base, derived)}.to(${table})` });
  drawLate(drawing, fields, base);
}

export function derivedOf(base: string, derived: readonly Column[]): string {
  return derived.length === 0 ? base : `${base}.derive(${textsOf(derived)})`;
}

/** A view of what an output finds late. */
function drawLate(drawing: Drawing, fields: Fields, base: string): void {
  const { random, expressions, columns } = drawing;
  if (!random.chance(0.3)) return;
  const view = drawing.view();
  const column: Field = { name: columns.name('c'), kind: random.pick<Kind>(['number', 'string', 'json']) };
  const select = `{ ${column.name}: ${expressions.callback(fields, column.kind)} }`;
  drawing.outputs.push({ view, text: `${base}.late('${view}', ${select}).to(${table})` });
}
