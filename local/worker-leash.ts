// Loaded before the worker's bundle. In AWS nothing outlives its task; here a worker whose owner was killed would go on for ever, and
// reach whatever listens on the same ports next.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.channel?.unref();
