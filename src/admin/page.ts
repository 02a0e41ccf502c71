import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Route } from './routes.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
};

/** Nothing else of the directory is served. */
const FILES = [
  'charts.js',
  'connection-strings.js',
  'copying.js',
  'dom.js',
  'icon.svg',
  'identities.js',
  'live.js',
  'main.js',
  'server.js',
  'sessions.js',
  'style.css',
  'text.js',
];

/** Only what this listener serves, no scripts or styles in attributes or elements, and no text that becomes HTML. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** The page at `/`, and what it is made of, by path. */
export function pageRoutes(): [string, Route][] {
  return [
    ['/', serve('index.html')],
    ...FILES.map((file): [string, Route] => [`/page/${file}`, serve(file)]),
  ];
}

function serve(file: string): Route {
  const type = TYPES[extname(file)] ?? '';
  return {
    method: 'GET',
    answer: async () => ({
      status: 200,
      type,
      headers: { 'Content-Security-Policy': POLICY },
      body: await readFile(new URL(`page/${file}`, import.meta.url), 'utf8'),
    }),
  };
}
