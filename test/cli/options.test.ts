import { type ArgsDef, parseArgs } from 'citty';
import { describe, expect, test } from 'vitest';
import { devCommand } from '#cli/dev.ts';
import { diffCommand } from '#cli/diff.ts';
import { generateCommand } from '#cli/generate-events.ts';
import { checkOptions } from '#cli/options.ts';
import { planCommand } from '#cli/plan.ts';
import { pushCommand } from '#cli/push.ts';
import { queryCommand } from '#cli/query.ts';
import { runCommand } from '#cli/run.ts';
import { savepointCommand } from '#cli/savepoint.ts';
import { simulateCommand } from '#cli/simulate.ts';
import { sqlCommand } from '#cli/sql.ts';

const commands = Object.entries({
  dev: devCommand,
  diff: diffCommand,
  generate: generateCommand,
  plan: planCommand,
  push: pushCommand,
  query: queryCommand,
  run: runCommand,
  savepoint: savepointCommand,
  simulate: simulateCommand,
  sql: sqlCommand,
});

const options = commands.flatMap(([command, { args }]) =>
  Object.entries(args as ArgsDef)
    .filter(([, { type }]) => type !== 'positional')
    .map(([name, { type, default: given }]) => {
      const option = type !== 'boolean' ? `--${name}=x` : given === true ? `--no-${name}` : `--${name}`;
      return [`millrace ${command} ${option}`, { args: args as ArgsDef, name, option, given }] as const;
    }),
);

describe('an option', () => {
  test.each(options)('of %s is taken, and comes to what is read', (_, { args, name, option, given }) => {
    expect(() => checkOptions([option], args)).not.toThrow();
    // What else an option needs is not asked here.
    const asked = Object.fromEntries(Object.entries(args).map(([key, arg]) => [key, { ...arg, required: false }]));
    const parsed = parseArgs([option], asked as ArgsDef) as Readonly<Record<string, unknown>>;
    expect(parsed[name]).not.toBe(given);
  });

  test.each([[['--input=']], [['--input', '']], [['--input']], [['--input', '--rate=5']]])(
    'of which %j is left of its value is refused',
    (given) => {
      expect(() => checkOptions(given, pushCommand.args as ArgsDef)).toThrow('--input needs a value: --input VALUE.');
    },
  );

  test('has a value that may begin with dashes behind its =', () => {
    expect(() => checkOptions(['--input=--odd'], pushCommand.args as ArgsDef)).not.toThrow();
  });

  test('that can only be left out is none', () => {
    expect(() => checkOptions(['--no-once'], devCommand.args as ArgsDef)).toThrow('there is no option --no-once.');
  });
});
