import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/**
 * Which layers may import which, lowest first. Whoever is not named is not allowed: that is how the
 * protocol stays free of sockets, and identity and upstream stay apart.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  redact: [],
  loopback: [],
  protocol: ['errors'],
  'log-folding': [],
  'log-sink': [],
  log: ['redact', 'log-folding', 'log-sink'],
  'socket-reader': ['errors'],
  upstream: ['errors', 'protocol', 'socket-reader'],
  identity: ['errors', 'protocol', 'redact', 'log'],
  local: ['errors', 'protocol', 'identity'],
  proxy: [
    'errors',
    'protocol',
    'redact',
    'loopback',
    'log',
    'socket-reader',
    'upstream',
    'identity',
    'local',
  ],
  admin: ['errors', 'redact', 'loopback', 'log', 'identity', 'proxy'],
  config: ['errors', 'loopback', 'log', 'upstream', 'identity'],
  check: [
    'errors',
    'redact',
    'loopback',
    'log',
    'protocol',
    'socket-reader',
    'upstream',
    'identity',
    'proxy',
  ],
  demo: [],
  commands: [
    'errors',
    'redact',
    'loopback',
    'log',
    'upstream',
    'identity',
    'local',
    'proxy',
    'admin',
    'config',
    'check',
    'demo',
  ],
  main: ['errors', 'commands'],
};

/** Modules of Node.js and packages that have no business in a layer. */
const FORBIDDEN: Readonly<Record<string, RegExp>> = {
  protocol: /^node:(?!buffer)|^(?!pg-protocol)/,
  proxy: /^@azure\//,
  upstream: /^@azure\//,
  local: /^@azure\//,
  admin: /^@azure\//,
  check: /^@azure\//,
  commands: /^@azure\//,
  demo: /^@azure\//,
};

const IMPORT = /^(?:import|export)\s[^;]*?from\s'([^']+)'|\bimport\('([^']+)'\)/gm;

const problems = globSync('src/**/*.ts').flatMap((file) => {
  const layer = layerOf(file);
  const allowed = ALLOWED[layer];
  if (allowed === undefined) return [`${file}: "${layer}" is no layer`];
  const imports = [...readFileSync(file, 'utf8').matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? '');
  return imports.flatMap((name) => {
    if (!name.startsWith('.'))
      return FORBIDDEN[layer]?.test(name) ? [`${file}: ${layer} must not use ${name}`] : [];
    const target = layerOf(normalize(join(dirname(file), name)));
    return target === layer || allowed.includes(target)
      ? []
      : [`${file}: ${layer} must not import ${target}`];
  });
});

if (problems.length > 0) {
  process.stderr.write(`${problems.join('\n')}\n`);
  process.exitCode = 1;
}

function layerOf(file: string): string {
  const [, first = ''] = file.split('/');
  return first.replace(/\.ts$/, '');
}
