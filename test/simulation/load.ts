import { registerHooks } from 'node:module';

/** One line of the product, broken. `find` must occur exactly once, so that a mutant cannot silently stop being one. */
export interface Mutation {
  /** From the project's root. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Changes how this thread loads the product: without compression, and with the mutations. To be called before it is imported. */
export function hookLoading(mutations: readonly Mutation[] = []): void {
  const noCompression = new URL('./no-compression.ts', import.meta.url).href;
  registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier === 'node:zlib' && context.parentURL?.includes('/shared/runtime/'))
        return { url: noCompression, shortCircuit: true };
      return next(specifier, context);
    },
    load: (url, context, next) => {
      const loaded = next(url, context);
      const mine = mutations.filter(({ file }) => url.endsWith(`/${file}`));
      if (mine.length === 0 || loaded.source === undefined || loaded.source === null) return loaded;
      let source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source);
      for (const mutation of mine) source = mutate(source, mutation);
      return { ...loaded, source };
    },
  });
}

/** Blanks are read as one, so that a formatter does not break the table. */
export function mutate(source: string, { file, find, replace }: Mutation): string {
  const words = find
    .trim()
    .split(/\s+/)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(words.join('\\s+'), 'g');
  const count = [...source.matchAll(pattern)].length;
  if (count !== 1) throw new Error(`the line to break occurs ${count} times in ${file}: ${find}`);
  return source.replace(pattern, () => replace);
}
