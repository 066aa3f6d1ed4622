/** A file of the project, or one that a test made up. */
export interface SourceFile {
  /** From the root, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly specifier: string;
  /** `import type`, or `import()`, which waits until it is called. */
  readonly kind: 'type' | 'value' | 'lazy';
}

/** What a file imports. Each import stands at the start of its line, as the formatter puts it; `import()` may stand anywhere. */
export function importsOf({ text }: SourceFile): readonly Import[] {
  const found: Import[] = [];
  const code = withoutComments(text);
  for (const match of code.matchAll(/^(?:import|export)\s+(type\s)?(?:[\w*\s{},]*?\sfrom\s+)?'([^'\n]+)'/gm))
    found.push({ specifier: match[2] as string, kind: match[1] === undefined ? 'value' : 'type' });
  for (const match of code.matchAll(/\bimport\(\s*'([^'\n]+)'/g))
    found.push({ specifier: match[1] as string, kind: 'lazy' });
  return found;
}

/** The code alone: comments become nothing, and so do the contents of texts and regular expressions. */
export function codeOf({ text }: SourceFile): string {
  return strip(text, true);
}

function withoutComments(text: string): string {
  return strip(text, false);
}

const beforeExpression = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|case|typeof|in|of|await|yield))\s*$/;

function strip(text: string, contents: boolean): string {
  let code = '';
  let at = 0;
  while (at < text.length) {
    const end = endOfToken(text, at, code);
    const token = text.slice(at, end);
    const isComment = token.startsWith('//') || token.startsWith('/*');
    if (token.length === 1 || !/^['"`/]/.test(token)) code += token;
    else if (isComment) code += token.replaceAll(/[^\n]/g, '');
    else code += contents ? `${token[0]}${token.at(-1)}` : token;
    at = end;
  }
  return code;
}

/** Where the comment, text or regular expression that begins at `at` ends; one character further when none does. */
function endOfToken(text: string, at: number, before: string): number {
  const rest = text.slice(at, at + 2);
  if (rest === '//') return indexOr(text, '\n', at);
  if (rest === '/*') return indexOr(text, '*/', at) + 2;
  const quote = text[at];
  if (quote === "'" || quote === '"' || quote === '`') return closing(text, at, quote);
  if (quote === '/' && beforeExpression.test(before.slice(-40))) return closing(text, at, '/');
  return at + 1;
}

function closing(text: string, at: number, quote: string): number {
  let isInClass = false;
  for (let index = at + 1; index < text.length; index += 1) {
    const character = text[index];
    if (character === '\\') index += 1;
    else if (quote === '/' && character === '[') isInClass = true;
    else if (quote === '/' && character === ']') isInClass = false;
    else if (character === quote && !isInClass) return index + 1;
    else if (character === '\n' && quote !== '`') return at + 1;
  }
  return text.length;
}

function indexOr(text: string, what: string, from: number): number {
  const found = text.indexOf(what, from);
  return found === -1 ? text.length : found;
}
