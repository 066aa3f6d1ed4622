import fc from 'fast-check';

// The same commit gives the same verdict: property tests draw from a fixed seed. Search further with another one, as CI does each
// night: MILLRACE_TEST_SEED=$RANDOM npm test. A failure prints the seed it came from.
fc.configureGlobal({ seed: Number(process.env['MILLRACE_TEST_SEED'] ?? 1) });
