import { type ArgsDef, type CommandDef, defineCommand, runCommand, showUsage } from 'citty';
import { fail } from './fail.ts';
import { checkOptions } from './options.ts';

const commands = {
  dev: () => import('./dev.ts').then((module) => module.devCommand),
  run: () => import('./run.ts').then((module) => module.runCommand),
  sql: () => import('./sql.ts').then((module) => module.sqlCommand),
  push: () => import('./push.ts').then((module) => module.pushCommand),
  generate: () => import('./generate-events.ts').then((module) => module.generateCommand),
  query: () => import('./query.ts').then((module) => module.queryCommand),
  plan: () => import('./plan.ts').then((module) => module.planCommand),
  savepoint: () => import('./savepoint.ts').then((module) => module.savepointCommand),
  diff: () => import('./diff.ts').then((module) => module.diffCommand),
  simulate: () => import('./simulate.ts').then((module) => module.simulateCommand),
};

const main = defineCommand({
  meta: {
    name: 'millrace',
    description: 'Exact stream processing in TypeScript on AWS, and the whole of it on a laptop.',
  },
  subCommands: commands,
});

async function start(args: readonly string[]): Promise<void> {
  const [name = '', ...rest] = args;
  const known = Object.keys(commands);
  if (name === '' || name === '--help' || name === '-h') {
    await showUsage(main);
    return;
  }
  if (!(name in commands))
    fail(
      `there is no command ${JSON.stringify(name)}. The commands are ${known.join(', ')}; "millrace --help" describes them.`,
    );
  const command = await commands[name as keyof typeof commands]();
  if (rest.includes('--help') || rest.includes('-h')) {
    await showUsage(command as unknown as CommandDef, main);
    return;
  }
  checkOptions(rest, (command.args ?? {}) as ArgsDef);
  await runCommand(command as unknown as CommandDef, { rawArgs: rest });
}

// Nothing goes on behind the back of whoever killed the launcher, such as a stack that keeps its ports and its folder.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
// Timers and the stores of the embedded AWS fail outside of any promise, such as on a full disk.
process.on('uncaughtException', fail);
start(process.argv.slice(2)).catch((error: unknown) => fail(error));
