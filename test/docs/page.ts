import { readFileSync } from 'node:fs';

/** What stands between two lines of ```, with what is said behind the first. */
export interface Fence {
  readonly language: string;
  /** Where it is written to, in the example's folder. */
  readonly file: string | undefined;
  /** Words behind the language: `run`, `fails`. */
  readonly words: readonly string[];
  readonly text: string;
  /** Of its first line of text, from 1. */
  readonly line: number;
}

/** What is done with a page, in the order in which it stands there. */
export type Step =
  | { readonly kind: 'file'; readonly name: string; readonly text: string; readonly line: number }
  | {
      readonly kind: 'module';
      readonly name: string;
      readonly text: string;
      readonly line: number;
      readonly output?: string;
    }
  | {
      readonly kind: 'command';
      readonly text: string;
      readonly line: number;
      /** It ends with an error, as it says. */
      readonly fails: boolean;
      readonly output?: string;
    };

export interface Page {
  readonly path: string;
  readonly steps: readonly Step[];
}

/**
 * The examples of a page. A `ts` block is a module of its own, an `sh` block commands, and what either prints is exactly the `text` block
 * behind it, if there is one. A block with `file=NAME` is a file that those behind it find. `isMarked`: only what has the word `run` or
 * `file=NAME` is an example.
 */
export function readPage(path: string, isMarked = false): Page {
  const fences = fencesOf(readFileSync(path, 'utf8'));
  const steps: Step[] = [];
  for (const [index, fence] of fences.entries()) {
    const { language, file, words, text, line } = fence;
    if (file !== undefined) {
      steps.push({ kind: 'file', name: file, text, line });
      continue;
    }
    if (isMarked && !words.includes('run')) continue;
    const next = fences[index + 1];
    const output = next?.language === 'text' && next.file === undefined ? { output: next.text } : {};
    if (language === 'ts')
      steps.push({ kind: 'module', name: `example-${steps.length + 1}.ts`, text, line, ...output });
    if (language === 'sh') steps.push({ kind: 'command', text, line, fails: words.includes('fails'), ...output });
  }
  return { path, steps };
}

export function fencesOf(markdown: string): readonly Fence[] {
  const fences: Fence[] = [];
  let open: { readonly info: string; readonly line: number; readonly text: string[] } | undefined;
  for (const [index, line] of markdown.split('\n').entries()) {
    const [, info] = /^```(.*)$/.exec(line) ?? [];
    if (info === undefined) {
      open?.text.push(line);
    } else if (open === undefined) {
      open = { info, line: index + 2, text: [] };
    } else {
      const [language = '', ...words] = open.info.trim().split(/\s+/);
      const file = words.find((word) => word.startsWith('file='))?.slice('file='.length);
      fences.push({ language, file, words, text: open.text.map((one) => `${one}\n`).join(''), line: open.line });
      open = undefined;
    }
  }
  return fences;
}
