import type { Sent } from '#shared/testing/index.ts';
import type { Random } from '#shared/testing/random.ts';
import type { Drawn } from './drawing.ts';

const odd = '(r) => JSON.stringify(r).length % 2 === 1';
const even = '(r) => JSON.stringify(r).length % 2 === 0';

/** What may be written behind a stream and changes nothing. */
const detours: Readonly<Record<string, (stream: string) => string>> = {
  'mapped to copies': (of) => `${of}.map((r) => ({ ...r }))`,
  'flattened from lists of one': (of) => `${of}.flatMap((r) => [r])`,
  'filtered for all': (of) => `${of}.filter(() => true)`,
  'sampled wholly': (of) => `${of}.sample(1)`,
  'a union of its parts': (of) => `union(${of}.filter(${odd}), ${of}.filter(${even}))`,
  'a union of its branches': (of) => `((parts) => union(parts.odd, parts.otherwise))(${of}.branch({ odd: ${odd} }))`,
  'a union with nothing': (of) =>
    `union(${of}.filter(${odd}), ${of}.filter(() => false), ${of}.filter(${even}).map((r) => r))`,
};

/** The same pipeline with a detour behind each source and some other streams. */
export function saidOtherwise(drawn: Drawn, random: Random): { readonly name: string; readonly drawn: Drawn } {
  const name = random.pick(Object.keys(detours));
  const detour = detours[name] as (stream: string) => string;
  const isSource = (variable: string): boolean => drawn.streams.some((one) => one.variable === variable);
  const statements = drawn.statements.flatMap((statement) => {
    // Of sources, of streams that are made of others, and of rows.
    const [, variable = '', text] = /^const ((?:source|m|r)\d+) = (.*);$/s.exec(statement) ?? [];
    if (text === undefined || (!isSource(variable) && random.chance(0.5))) return [statement];
    return [`const ${variable}Whole = ${text};`, `const ${variable} = ${detour(`${variable}Whole`)};`];
  });
  const streams = drawn.streams.map((stream) => ({ ...stream, variable: `${stream.variable}Whole` }));
  return { name, drawn: { ...drawn, statements, streams } };
}

/** Records in another order, in which none is further behind than its stream says. */
export function reordered({ streams }: Drawn, records: readonly Sent[], random: Random): readonly Sent[] {
  const placed = records.map((sent, index) => {
    const { at } = sent.record as { readonly at?: unknown };
    const { outOfOrdernessMs = 0 } = streams.find(({ name }) => name === sent.stream) ?? {};
    return { sent, place: typeof at === 'number' ? at + random.below(outOfOrdernessMs) : index };
  });
  return placed.sort((a, b) => a.place - b.place).map(({ sent }) => sent);
}
