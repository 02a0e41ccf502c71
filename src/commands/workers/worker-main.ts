import { runWorker } from './worker.ts';

// A terminal and a service manager send theirs to all processes: when to end, the primary process says.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
runWorker(process);
