// What is wrong with a pipeline or with a setting is told in a sentence, to which the stack of whoever noticed adds nothing. This comes before
// other imports, since pipelines are refused while they are loaded.
process.on('uncaughtException', (error) => {
  const { message, cause, stack = message } = error;
  const why = cause instanceof Error ? `\n  cause: ${cause.message}` : '';
  process.stderr.write(`${error.name === 'MillraceError' ? `millrace: ${message}${why}` : stack}\n`);
  process.exit(1);
});
