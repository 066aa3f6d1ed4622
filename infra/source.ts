import { fileURLToPath } from 'node:url';

/** The folder that holds the whole project. */
export const root: string = fileURLToPath(new URL('..', import.meta.url));

/** Some CommonJS packages call `require`, which an ECMAScript bundle has not by itself. */
export const requireBanner = "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);";
