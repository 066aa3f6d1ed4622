import { fileURLToPath } from 'node:url';

/** The folder that holds the whole project. */
export const root: string = fileURLToPath(new URL('..', import.meta.url));
