import { createRandom } from '#shared/testing/random.ts';
import { Drawing, type Drawn, type SourceField } from './drawing.ts';
import { drawStep } from './steps.ts';
import { drawTransform } from './transforms.ts';

const stepsMost = 10;

/**
 * A pipeline by chance: the same of the same seed. Whatever is drawn fits the types of what it is drawn for, so that the builder refuses
 * none of them.
 */
export function drawPipeline(seed: number): Drawn {
  const random = createRandom(seed, 'pipeline');
  const drawing = new Drawing(random);
  for (let left = random.pick([1, 1, 1, 2, 2, 3]); left > 0; left -= 1) drawSource(drawing);
  for (let left = random.between(1, stepsMost); left > 0; left -= 1)
    if (random.chance(0.45)) drawTransform(drawing);
    else drawStep(drawing);
  while (drawing.outputs.length === 0) drawStep(drawing);
  return {
    statements: drawing.statements,
    outputs: drawing.outputs,
    options: `{ slots: ${random.pick([1, 2, 4, 16])}, expectedKeys: ${random.pick([1, 100, 4_096])} }`,
    streams: drawing.streams,
    paceMs: drawing.unitMs,
    start: random.pick(starts),
  };
}

/** Before clocks are changed, at a year's end, and around 1970. */
const starts = ['2026-01-01', '2026-03-27T20:00:00Z', '2026-10-24', '1970-01-01', '1969-12-30', '2025-12-30'] as const;

function drawSource(drawing: Drawing): void {
  const { random, streams, flows, unitMs } = drawing;
  const name = `s${streams.length}`;
  const all: readonly SourceField[] = [
    { name: 'k', kind: 'string', of: 'key' },
    { name: 'g', kind: 'number', of: 'key' },
    { name: 'b', kind: 'boolean', of: 'key' },
    { name: 'n', kind: 'number', of: 'value' },
    { name: 'm', kind: 'number', of: 'value', mayMiss: true, missing: random.pick(['null', 'absent']) },
    { name: 't', kind: 'string', of: 'value', mayMiss: true, missing: random.pick(['null', 'absent']) },
    { name: 'x', kind: 'string', of: 'value' },
    { name: 'list', kind: 'json', of: 'list' },
  ];
  const fields = all.filter(({ name: field }) => field === 'k' || field === 'n' || random.chance(0.7));
  const outOfOrdernessMs = random.pick([0, 1, 3]) * unitMs;
  const schema = random.chance(0.5) ? zodOf(fields) : recordOf(fields);
  const options = [
    `schema: ${schema}`,
    `timestamp: (r) => ${random.pick(['r.at', 'new Date(r.at)'])}`,
    `outOfOrderness: milliseconds(${outOfOrdernessMs})`,
    ...random.pick([[], ['idleAfter: minutes(5)']]),
  ];
  const variable = drawing.variable('source', `stream('${name}', { ${options.join(', ')} })`);
  streams.push({ name, variable, outOfOrdernessMs, fields });
  const read = fields.map(({ name, kind, mayMiss }) => ({ name, kind, ...(mayMiss === true ? { mayMiss } : {}) }));
  flows.push({ text: variable, fields: [{ name: 'at', kind: 'time' }, ...read], isRows: false, joins: 0 });
}

function zodOf(fields: readonly SourceField[]): string {
  const texts = fields.map(({ name, kind, of, missing }) => {
    const plain = of === 'list' ? 'z.array(z.string())' : `z.${kind}()`;
    const may = { null: '.nullable()', absent: '.optional()' };
    return `${name}: ${plain}${missing === undefined ? '' : may[missing]}`;
  });
  return `z.object({ at: z.number().int(), ${texts.join(', ')} })`;
}

function recordOf(fields: readonly SourceField[]): string {
  const texts = fields.map(({ name, kind, of, missing }) => {
    const plain = of === 'list' ? 'list(string())' : `${kind}()`;
    const may = { null: `nullable(${plain})`, absent: `optional(${plain})` };
    return `${name}: ${missing === undefined ? plain : may[missing]}`;
  });
  return `record({ at: integer(), ${texts.join(', ')} })`;
}
