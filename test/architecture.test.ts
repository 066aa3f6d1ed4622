import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { codeOf, importsOf, type SourceFile } from './source-scanner.ts';

// Every rule is a function from a file to what is wrong with it. The project must have nothing wrong; a planted file, made up for the
// rule, must have, so that no rule can fall asleep.

/**
 * DESIGN 1: what a wall may import. A wall is the folder of its name; files of it import each other by `./`. `shared/adapters` are the files
 * beside the adapters. What stands after `:` is the one file of the other wall that is meant.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'shared/schemas': [],
  'shared/pipeline': ['shared/schemas', '@standard-schema/spec', '@bufbuild/protobuf'],
  // From the inside out: what a folder of the engine imports stands above it. The scratch disk is a type, and synchronous as the engine is:
  // what it holds comes back when it is asked for, unchanged.
  'shared/engine/compile': [
    'shared/schemas',
    'shared/pipeline',
    '@standard-schema/spec',
    // A parser of JavaScript: pure.
    'acorn',
  ],
  'shared/engine/decode': ['shared/schemas', 'shared/pipeline', 'shared/engine/compile', '@standard-schema/spec'],
  'shared/engine/keys': ['shared/schemas', 'shared/engine/decode'],
  'shared/engine/transform': [
    'shared/schemas',
    'shared/pipeline',
    'shared/engine/compile',
    'shared/engine/decode',
    'shared/engine/keys',
    '@standard-schema/spec',
  ],
  'shared/engine/state': ['shared/schemas', 'shared/pipeline', 'shared/ports:run-store.ts'],
  'shared/engine/operators': [
    'shared/schemas',
    'shared/pipeline',
    'shared/engine/compile',
    'shared/engine/decode',
    'shared/engine/keys',
    'shared/engine/state',
    // Time zones: pure, but for the runtime's own table of them.
    'temporal-polyfill',
  ],
  'shared/engine/rows': [
    'shared/schemas',
    'shared/pipeline',
    'shared/engine/compile',
    'shared/engine/state',
    'shared/engine/operators',
  ],
  'shared/engine/slots': [
    'shared/schemas',
    'shared/pipeline',
    'shared/engine/compile',
    'shared/engine/decode',
    'shared/engine/keys',
    'shared/engine/transform',
    'shared/engine/state',
    'shared/engine/operators',
    'shared/engine/rows',
  ],
  'shared/engine': ['shared/schemas', 'shared/pipeline', 'shared/engine'],
  // As above. A text is read, expressions get types, queries become steps, and tables streams.
  'shared/sql/parse': ['shared/schemas', 'shared/pipeline'],
  'shared/sql/expressions': ['shared/schemas', 'shared/pipeline', 'shared/sql/parse'],
  'shared/sql/relations': ['shared/schemas', 'shared/pipeline', 'shared/sql/parse', 'shared/sql/expressions'],
  'shared/sql/tables': [
    'shared/schemas',
    'shared/pipeline',
    'shared/sql/parse',
    'shared/sql/expressions',
    'shared/sql/relations',
    '@standard-schema/spec',
  ],
  'shared/sql': ['shared/schemas', 'shared/pipeline', 'shared/sql'],
  'shared/ports': ['shared/schemas'],
  'shared/runtime': [
    'shared/schemas',
    'shared/pipeline',
    'shared/sql',
    'shared/engine',
    'shared/ports',
    'hyparquet-writer',
    'node:',
  ],
  // One pool of connections for all clients of a process.
  'shared/adapters': ['shared/schemas', 'shared/ports', '@smithy/node-http-handler', 'node:'],
  'shared/adapters/disk': ['shared/schemas', 'shared/ports', 'node:'],
  'shared/adapters/files': ['shared/schemas', 'shared/ports', 'node:'],
  'shared/adapters/dynamodb': ['shared/schemas', 'shared/ports', '@aws-sdk/client-dynamodb', 'node:'],
  'shared/adapters/kinesis': ['shared/schemas', 'shared/ports', '@aws-sdk/client-kinesis', 'node:'],
  'shared/adapters/memory': ['shared/schemas', 'shared/ports', 'node:'],
  'shared/adapters/s3': ['shared/schemas', 'shared/ports', '@aws-sdk/client-s3', 'node:'],
  'shared/adapters/sqs': ['shared/schemas', 'shared/ports', '@aws-sdk/client-sqs', 'node:'],
  'shared/adapters/telemetry': [
    'shared/schemas',
    'shared/ports',
    '@aws-lambda-powertools/logger',
    '@aws-lambda-powertools/metrics',
    'pino',
    'prom-client',
    'node:',
  ],
  // Never the AWS adapters: a pipeline's author tests without them.
  'shared/testing': [
    'shared/schemas',
    'shared/pipeline',
    'shared/engine',
    'shared/ports',
    'shared/runtime',
    'shared/adapters/memory',
    'shared/adapters/telemetry:memory.ts',
    // In tests alone, so lazily.
    '@duckdb/node-api',
    'fast-check',
    'zod',
    '@standard-schema/spec',
  ],
  // The registry adds what stands in files of SQL.
  pipelines: ['shared/pipeline', 'shared/sql', 'shared/runtime:sql-files.ts', 'zod'],
  // The read API describes the plan, hence the pipeline's types.
  functions: [
    'shared/schemas',
    'shared/pipeline',
    'shared/runtime',
    'shared/adapters',
    'pipelines',
    'aws-lambda',
    'hono',
    'hono/aws-lambda',
    '@aws-sdk/client-dynamodb',
    '@aws-sdk/client-kinesis',
    '@aws-sdk/client-sqs',
    'node:',
  ],
  worker: [
    'shared/schemas',
    'shared/ports',
    'shared/runtime',
    'shared/adapters',
    'pipelines',
    '@aws-sdk/client-dynamodb',
    '@aws-sdk/client-kinesis',
    '@aws-sdk/client-s3',
    '@aws-sdk/client-sqs',
    'hono',
    '@hono/node-server',
    'node:',
    // How many workers a load takes: the worker measures it, and the service is scaled on it.
    'shared/engine/slots:drain.ts',
  ],
  // It reads a synthesized template, so infra's assembly is reached through a child process and never imported. A port's type serves where
  // the embedded AWS has the same need as the runtime, such as a clock. The pipeline's type names what is started.
  local: [
    'shared/schemas',
    'shared/ports',
    'shared/pipeline',
    'shared/adapters:clock.ts',
    'local/event-source-mapping',
    'local/dynamodb',
    'local/kinesis',
    'local/lambda',
    'local/s3',
    'local/sqs',
    'zod',
    '@aws-sdk/client-dynamodb',
    '@smithy/node-http-handler',
    'node:',
  ],
  // A mapping reads a stream and calls a function: the stream's types and hash keys, and what a call may come to.
  'local/event-source-mapping': [
    'shared/schemas',
    'shared/ports',
    'local/kinesis:types.ts',
    'local/kinesis:hash-key.ts',
    'local/lambda:outcome.ts',
    'aws-lambda',
    'node:',
  ],
  'local/dynamodb': ['dynalite', 'node:'],
  'local/kinesis': [
    'shared/schemas',
    'shared/ports',
    'shared/adapters:clock.ts',
    'local',
    '@smithy/eventstream-codec',
    'node:',
  ],
  'local/lambda': ['shared/schemas', 'shared/ports', 'local', 'node:'],
  'local/s3': ['shared/schemas', 'shared/ports', 'local', 'node:'],
  'local/sqs': ['shared/schemas', 'shared/ports', 'local', 'zod', 'node:'],
  cli: [
    'shared/schemas',
    'shared/pipeline',
    'shared/sql',
    'shared/engine',
    'shared/ports',
    'shared/runtime',
    'shared/adapters',
    'shared/testing',
    'local',
    'pipelines',
    'citty',
    '@aws-sdk/client-dynamodb',
    '@aws-sdk/client-kinesis',
    '@aws-sdk/client-s3',
    'node:',
    // Lazily, and in one file: see `millrace simulate`.
    'test:simulation/main.ts',
  ],
  infra: [
    'shared/schemas',
    'shared/pipeline',
    'pipelines',
    'aws-cdk-lib',
    'constructs',
    'esbuild',
    'node:',
    // The assembly finds a pipeline by the same rule as the hosts.
    'shared/runtime:settings.ts',
    'shared/runtime:contract-file.ts',
    'shared/runtime:sql-files.ts',
    // What the service is scaled on.
    'shared/engine/slots:drain.ts',
  ],
  bench: [
    'shared/schemas',
    'shared/pipeline',
    'shared/engine',
    'shared/ports',
    'shared/runtime',
    'shared/adapters',
    // A generator of records.
    'shared/testing:nexmark.ts',
    'pipelines',
    'local',
    'cli',
    '@aws-sdk/client-kinesis',
    'node:',
  ],
};

/** Folders in which nothing waits, and which know no clock, chance, environment or machine. */
const pure = ['shared/schemas', 'shared/pipeline', 'shared/sql', 'shared/engine', 'shared/ports'];

const linesMax = 400;
/** Files that are longer, each with its reason. */
const longFiles: Readonly<Record<string, string>> = {
  'test/contracts/kinesis-api.ts': 'one list of cases, which several servers of Kinesis answer',
  'test/contracts/result-store.ts': 'one list of cases, which both stores answer',
  'test/contracts/state-store.ts': 'one list of cases, which both stores answer',
  'test/local/event-source-mapping/cases.test.ts':
    'a table: a row for each behaviour that the AWS documentation states',
  'test/local/event-source-mapping/mapping.test.ts': 'one world, and what happens in it',
  'test/local/s3/wire.test.ts': 'a list of requests with their answers',
  'test/simulation/sabotages.ts': 'a list: one for each rule of the protocol',
  'test/simulation/world.ts': 'the one scheduler-driven world of the simulation',
};

const handlerLinesMax = 60;
const vagueNames = new Set([
  'utils',
  'util',
  'helpers',
  'helper',
  'common',
  'manager',
  'service',
  'misc',
  'shared-utils',
]);

const tracked: readonly string[] = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' })
  .split('\0')
  .filter((path) => path !== '' && existsSync(path));
const programs: readonly SourceFile[] = tracked
  .filter((path) => /\.(ts|mjs)$/.test(path))
  .map((path) => ({ path, text: readFileSync(path, 'utf8') }));
/** This file's planted faults are not the project's. */
const sources = programs.filter(({ path }) => path !== 'test/architecture.test.ts');

/** The files that have a word somewhere. */
const filesByWord = new Map<string, Set<string>>();
for (const { path, text } of programs)
  for (const [word] of text.matchAll(/\w+/g)) filesByWord.set(word, (filesByWord.get(word) ?? new Set()).add(path));

/** The wall that a file stands behind: the longest one of the table. */
function wallOf(path: string): string | undefined {
  const folders = posix.dirname(path).split('/');
  for (let depth = folders.length; depth > 0; depth -= 1) {
    const folder = folders.slice(0, depth).join('/');
    if (mayImport[folder] !== undefined) return folder;
  }
  return folders[0] === '.' ? undefined : folders[0];
}

function targetOf(file: SourceFile, specifier: string): string | undefined {
  if (specifier.startsWith('#')) return specifier.slice(1);
  if (specifier.startsWith('.')) return posix.join(posix.dirname(file.path), specifier);
  return undefined;
}

function isAllowed(allowed: readonly string[], target: string | undefined, specifier: string): boolean {
  if (target === undefined)
    return allowed.some(
      (one) =>
        specifier === one || (one === 'node:' && specifier.startsWith('node:')) || specifier.startsWith(`${one}/`),
    );
  return allowed.some((one) => {
    const [folder, file] = one.split(':');
    return file === undefined ? target.startsWith(`${folder}/`) : target === `${folder}/${file}`;
  });
}

function isIn(file: SourceFile, folders: readonly string[]): boolean {
  return folders.some((folder) => file.path.startsWith(`${folder}/`));
}

interface Rule {
  readonly claim: string;
  readonly wrongWith: (file: SourceFile) => readonly string[];
  /** A file that breaks the rule. */
  readonly planted: SourceFile;
}

const rules: readonly Rule[] = [
  {
    claim: 'a wall imports only what the table allows',
    wrongWith: (file) => {
      const wall = wallOf(file.path);
      const allowed = wall === undefined ? undefined : mayImport[wall];
      if (wall === undefined || allowed === undefined) return [];
      return importsOf(file)
        .filter(({ specifier }) => {
          const target = targetOf(file, specifier);
          return (target === undefined || wallOf(target) !== wall) && !isAllowed(allowed, target, specifier);
        })
        .map(({ specifier }) => `imports ${specifier}`);
    },
    planted: { path: 'shared/engine/decode/x.ts', text: "import { a } from '#shared/engine/slots/slot.ts';" },
  },
  {
    claim: 'an adapter imports neither the engine nor another adapter',
    wrongWith: (file) =>
      importsOf(file)
        .map(({ specifier }) => specifier)
        .filter((specifier) => {
          const wall = wallOf(file.path) ?? '';
          const target = targetOf(file, specifier) ?? '';
          if (!wall.startsWith('shared/adapters/')) return false;
          return /^shared\/(engine|adapters)\//.test(target) && wallOf(target) !== wall;
        }),
    planted: { path: 'shared/adapters/s3/x.ts', text: "import { a } from '../memory/blob-store.ts';" },
  },
  {
    claim: 'across a wall an import begins with #, inside with ./',
    wrongWith: (file) => {
      // Local and test are walls of several folders, which know each other by `./` and by `#` alike.
      const outer = (path: string): string =>
        /^(local|test)\//.test(path) ? (path.split('/')[0] as string) : (wallOf(path) ?? '');
      return importsOf(file)
        .map(({ specifier }) => specifier)
        .filter((specifier) => {
          const target = targetOf(file, specifier);
          if (target === undefined || wallOf(file.path) === undefined) return false;
          const isSame = wallOf(target) === wallOf(file.path);
          return specifier.startsWith('#') ? isSame && outer(file.path) !== 'test' : outer(target) !== outer(file.path);
        });
    },
    planted: { path: 'shared/engine/x.ts', text: "import type { Json } from '../pipeline/aggregator.ts';" },
  },
  {
    claim: 'an import names its file with .ts',
    wrongWith: (file) =>
      importsOf(file)
        .map(({ specifier }) => specifier)
        .filter((specifier) => /^[#.]/.test(specifier) && !/\.(ts|mjs|json)$/.test(specifier)),
    planted: { path: 'cli/x.ts', text: "import { a } from './arguments';" },
  },
  {
    claim: 'what is imported is there',
    wrongWith: (file) =>
      importsOf(file)
        .map(({ specifier }) => targetOf(file, specifier))
        .filter((target) => target !== undefined && !existsSync(target)) as readonly string[],
    planted: { path: 'cli/x.ts', text: "import { a } from './no-such-file.ts';" },
  },
  {
    claim: 'the command line reaches into the tests lazily, and from cli/simulate.ts alone',
    wrongWith: (file) =>
      isIn(file, ['cli'])
        ? importsOf(file)
            .filter(
              ({ specifier, kind }) =>
                specifier.startsWith('#test/') && (file.path !== 'cli/simulate.ts' || kind !== 'lazy'),
            )
            .map(({ specifier }) => specifier)
        : [],
    planted: { path: 'cli/simulate.ts', text: "import { main } from '#test/simulation/main.ts';" },
  },
  {
    claim: 'infra takes from the runtime only how a pipeline is found and its contract kept, and only in its programs',
    wrongWith: (file) =>
      isIn(file, ['infra'])
        ? importsOf(file)
            .map(({ specifier }) => specifier)
            .filter(
              (specifier) =>
                specifier.startsWith('#shared/runtime/') &&
                // A bundle takes the texts of pipelines along.
                specifier !== '#shared/runtime/sql-files.ts' &&
                !['infra/assemble.ts', 'infra/app.ts'].includes(file.path),
            )
        : [],
    planted: { path: 'infra/x.ts', text: "import { readSettings } from '#shared/runtime/settings.ts';" },
  },
  {
    claim: 'a pure folder imports nothing of Node.js',
    wrongWith: (file) =>
      isIn(file, pure)
        ? importsOf(file)
            .map(({ specifier }) => specifier)
            .filter((specifier) => specifier.startsWith('node:'))
        : [],
    planted: { path: 'shared/engine/x.ts', text: "import { Buffer } from 'node:buffer';" },
  },
  {
    claim: 'nothing in a pure folder waits',
    wrongWith: (file) => {
      if (!isIn(file, pure)) return [];
      // A port is a type of what waits; only the promise may be named there.
      // Behind a dot it is a field, such as one of a syntax tree.
      const words = file.path.startsWith('shared/ports/')
        ? /(?<!\.)\b(async|await)\b/g
        : /(?<!\.)\b(async|await|Promise)\b/g;
      return [...codeOf(file).matchAll(words)].map(([word]) => word);
    },
    planted: { path: 'shared/engine/x.ts', text: 'export async function a(): Promise<void> {}' },
  },
  {
    // A date of a given time is a value; only one that asks for the time is a clock.
    claim: 'a pure folder knows no clock, chance or process',
    wrongWith: (file) =>
      isIn(file, pure)
        ? [
            ...codeOf(file).matchAll(
              /\bDate\.(?:now|parse|UTC)\b|\bnew Date\b(?!\([^)])|\bMath\.random\b|\bperformance\b|\bcrypto\b|(?<![.\w])process\b(?!\s*:|<)|\bset(?:Timeout|Interval|Immediate)\b/g,
            ),
          ].map(([word]) => word)
        : [],
    planted: { path: 'shared/engine/x.ts', text: 'export const a = () => new Date().getTime();' },
  },
  {
    claim: 'a port is types alone',
    wrongWith: (file) =>
      isIn(file, ['shared/ports'])
        ? [...codeOf(file).matchAll(/^export (?:const|let|function|class|default)\b/gm)].map(([word]) => word)
        : [],
    planted: { path: 'shared/ports/x.ts', text: 'export const limit = 1;' },
  },
  {
    claim: 'no file or folder has a name that says nothing',
    wrongWith: ({ path }) => path.split('/').filter((part) => vagueNames.has(part.replace(/(\.test)?\.\w+$/, ''))),
    planted: { path: 'shared/engine/utils.ts', text: '' },
  },
  {
    claim: 'a name is in lower case with hyphens',
    wrongWith: ({ path }) =>
      path.split('/').filter((part) => /\.ts$/.test(part) && !/^[a-z0-9-]+(\.[a-z-]+)*\.ts$/.test(part)),
    planted: { path: 'shared/engine/slotReader.ts', text: '' },
  },
  {
    claim: `a handler has at most ${handlerLinesMax} lines`,
    wrongWith: (file) => {
      const lines = file.text.trimEnd().split('\n').length;
      const isHandler = /^export (async function|const) handler\b/m.test(file.text);
      return isIn(file, ['functions']) && isHandler && lines > handlerLinesMax ? [`${lines} lines`] : [];
    },
    planted: { path: 'functions/x.ts', text: `${'\n'.repeat(handlerLinesMax)}export const handler = 1;` },
  },
  {
    claim: 'a client of AWS in a host waits with patience, not for ever',
    wrongWith: (file) =>
      isIn(file, ['functions', 'worker'])
        ? [...codeOf(file).matchAll(/new \w+Client\((?!\{\s*requestHandler\b)/g)].map(([client]) => client)
        : [],
    planted: { path: 'worker/x.ts', text: 'const client = new S3Client({ forcePathStyle: true });' },
  },
  {
    claim: 'nothing is exported by default but what vitest loads',
    wrongWith: (file) =>
      /^export default\b|\bexport \{[^}]*\bas default\b/m.test(codeOf(file)) &&
      !['vitest.config.ts', 'test/reporter.ts'].includes(file.path)
        ? ['export default']
        : [],
    planted: { path: 'cli/x.ts', text: 'export default 1;' },
  },
  {
    claim: 'what is exported, and is no type, is named by another file',
    wrongWith: ({ path, text }) =>
      [...text.matchAll(/^export (?:async )?(?:const|let|function\*?|class) (\w+)/gm)]
        .map(([, name]) => name as string)
        .filter((name) => [...(filesByWord.get(name) ?? [])].every((other) => other === path)),
    planted: { path: 'cli/x.ts', text: `export const ${['nobody', 'NamesThis'].join('')} = 1;` },
  },
  {
    claim: `a file has at most ${linesMax} lines, or a reason for more`,
    wrongWith: ({ path, text }) => {
      const lines = text.trimEnd().split('\n').length;
      return lines > linesMax && longFiles[path] === undefined ? [`${lines} lines`] : [];
    },
    planted: { path: 'cli/x.ts', text: '1;\n'.repeat(linesMax + 1) },
  },
  {
    claim: 'nothing depends on a machine: no path of a home or working folder',
    wrongWith: ({ text }) => [...text.matchAll(machinePath)].map(([path]) => path),
    planted: { path: 'cli/x.ts', text: `const path = '${['', 'home', 'somebody', 'millrace'].join('/')}';` },
  },
];

/** Folders that exist on one machine. Written so that this line is not one of them. */
const machinePath = new RegExp(`(?<![\\w.#@:/-])/(?:${['work', 'root', 'Users', 'home'].join('|')})/[\\w.-]+`, 'g');

describe.each(rules)('$claim', ({ wrongWith, planted }) => {
  test('holds for every file', () => {
    const wrong = sources.flatMap((file) => wrongWith(file).map((what) => `${file.path}: ${what}`));
    expect(wrong).toEqual([]);
  });

  test('sees a file that breaks it', () => {
    expect(wrongWith(planted)).not.toEqual([]);
  });
});

test('nothing that is committed depends on a machine, documents and settings included', () => {
  const wrong = tracked
    .filter((path) => !/\.(png|ico|woff2?|gz|zst)$/.test(path))
    .flatMap((path) => [...readFileSync(path, 'utf8').matchAll(machinePath)].map(([found]) => `${path}: ${found}`));
  expect(wrong).toEqual([]);
});

test('every folder of sources is in the table', () => {
  const unlisted = sources
    .map(({ path }) => path)
    .filter((path) => path.includes('/') && !path.startsWith('test/'))
    .filter((path) => mayImport[wallOf(path) ?? ''] === undefined);
  expect(unlisted).toEqual([]);
});

test('every wall of the table is there', () => {
  const walls = new Set(sources.map(({ path }) => wallOf(path)));
  expect(Object.keys(mayImport).filter((wall) => !walls.has(wall))).toEqual([]);
});

test('every reason for a long file is still needed', () => {
  const unneeded = Object.keys(longFiles).filter((path) => {
    const file = sources.find((source) => source.path === path);
    return file === undefined || file.text.trimEnd().split('\n').length <= linesMax;
  });
  expect(unneeded).toEqual([]);
});

test('every folder is described in docs/ARCHITECTURE.md', () => {
  const text = readFileSync('docs/ARCHITECTURE.md', 'utf8');
  const folders = new Set(tracked.filter((path) => path.includes('/')).map((path) => path.split('/')[0] as string));
  const undescribed = [...folders].filter((folder) => !folder.startsWith('.') && !text.includes(`${folder}/`));
  expect(undescribed).toEqual([]);
});

describe('the scanner', () => {
  const importsIn = (text: string): readonly string[] =>
    importsOf({ path: 'x.ts', text }).map(({ specifier, kind }) => `${kind} ${specifier}`);

  test('sees imports on one line and on several, exports, types and lazy ones', () => {
    const text = [
      "import { a } from './a.ts';",
      'import {\n  b,\n  type C,\n} from "./never.ts";',
      "import {\n  b,\n  type C,\n} from './b.ts';",
      "import type { D } from './d.ts';",
      "import * as e from './e.ts';",
      "import './f.ts';",
      "export { g } from './g.ts';",
      "export type { H } from './h.ts';",
      "const i = await import('./i.ts');",
    ].join('\n');
    expect(importsIn(text)).toEqual([
      'value ./a.ts',
      'value ./b.ts',
      'type ./d.ts',
      'value ./e.ts',
      'value ./f.ts',
      'value ./g.ts',
      'type ./h.ts',
      'lazy ./i.ts',
    ]);
  });

  test('does not take a comment for an import', () => {
    expect(importsIn("// import { a } from './a.ts';\n/*\nimport { b } from './b.ts';\n*/")).toEqual([]);
  });

  test('does not take what texts, comments and regular expressions say for code', () => {
    const code = codeOf({
      path: 'x.ts',
      text: "const a = /await'/.test('async'); // Promise\nconst b = `new Date` / 2;",
    });
    expect(code).not.toMatch(/await|async|Promise|new Date/);
  });

  test('goes on behind a division', () => {
    expect(codeOf({ path: 'x.ts', text: "const a = b / c; const d = 'x' / async;" })).toContain('async');
  });
});
