import { fileURLToPath } from 'node:url';

const DEFAULT_LIFETIME_SECONDS = 300;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The program beside which this module lies, as source or compiled. */
const MAIN_FILE = import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js';

export interface DemoOptions {
  /** Plays the scenario to the first query and ends, rather than waiting for Ctrl-C. */
  readonly once: boolean;
  /** Where the proxy listens; 0: a free port. */
  readonly port: string;
  /** Of the tokens; default: 300. */
  readonly lifetimeSeconds?: number;
}

/**
 * `pg-entra-proxy demo`: everything on this machine, from a real PostgreSQL to a client without
 * a password. Nothing that it started is left when it returns.
 *
 * @returns the exit status: 0 also after Ctrl-C or SIGTERM.
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort();
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    // What it needs is no dependency of the published package, so loading it may fail.
    const { playScenario } = await import('../demo/scenario.ts');
    await playScenario({
      once: options.once,
      port: options.port,
      lifetimeSeconds: options.lifetimeSeconds ?? DEFAULT_LIFETIME_SECONDS,
      mainPath: fileURLToPath(new URL(MAIN_FILE, import.meta.url)),
      say: (line) => process.stdout.write(`${line}\n`),
      signal: interruption.signal,
    });
    return 0;
  } catch (error) {
    // Ctrl-C in a terminal reaches initdb and the proxy too, so any step may have failed of it.
    if (interruption.signal.aborted) return 0;
    process.stderr.write(`pg-entra-proxy demo: ${explain(error, options.port)}\n`);
    return 1;
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

function explain(error: unknown, port: string): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'ERR_MODULE_NOT_FOUND') {
    return 'this needs packages that only a clone of the repository has; run it there: npm ci && npm run demo';
  }
  if (/EADDRINUSE|address already in use/iu.test(error.message)) {
    return `port ${port} is in use; take another one: npm run demo -- --port 0\n${error.message}`;
  }
  // PostgreSQL's and the proxy's own errors say what to do.
  return 'hint' in error && typeof error.hint === 'string'
    ? `${error.message}\n${error.hint}`
    : error.message;
}
