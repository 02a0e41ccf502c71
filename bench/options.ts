import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseArgsStringToArgv } from 'string-argv';
import type { Rival } from './contenders/rival.ts';

export const WORKLOADS = ['roundtrips', 'streaming', 'connect', 'memory', 'mixed', 'start'] as const;
export type WorkloadName = (typeof WORKLOADS)[number];

/** The build made here, with other flags. */
export interface Variant {
  readonly name: string;
  readonly flags: readonly string[];
}

export interface Options {
  readonly quick: boolean;
  readonly only: readonly WorkloadName[];
  readonly without: readonly string[];
  readonly rounds: number;
  readonly json: string | undefined;
  readonly markdown: boolean;
  readonly proxyFlags: readonly string[];
  readonly variants: readonly Variant[];
  readonly entries: readonly { readonly name: string; readonly path: string }[];
  readonly rivals: readonly Rival[];
  readonly share: string | undefined;
  /** Undefined: any free one. */
  readonly ports: { readonly server?: number; readonly delay?: number; readonly light?: number };
  readonly maxSessions: number;
}

/** What was wrong with the command line. */
export class BenchUsageError extends Error {}

const ROUNDS = { full: 5, quick: 1 };

/** @returns 'help' when that was asked for. @throws {@link BenchUsageError}. */
export function parseOptions(argv: readonly string[]): Options | 'help' {
  const { values } = parse(argv);
  if (values.help) return 'help';
  const quick = values.quick;
  const port = (flag: 'server-port' | 'delay-port' | 'light-port'): number | undefined =>
    values[flag] === undefined ? undefined : parsePort(values[flag], `--${flag}`);
  const [server, delay, light] = [port('server-port'), port('delay-port'), port('light-port')];
  return {
    quick,
    only: parseWorkloads(values.only),
    without: values.without.map((name) => name.toLowerCase()),
    rounds: parseCount(values.rounds ?? String(quick ? ROUNDS.quick : ROUNDS.full), '--rounds'),
    json: values.json,
    markdown: values.markdown,
    proxyFlags: parseArgsStringToArgv(values['proxy-flags']),
    variants: values.variant.map(parseVariant),
    entries: values['proxy-entry'].map(parseEntry),
    rivals: values.rival.map(parseRival),
    share: values.share,
    ports: {
      ...(server === undefined ? {} : { server }),
      ...(delay === undefined ? {} : { delay }),
      ...(light === undefined ? {} : { light }),
    },
    maxSessions: parseCount(values['max-sessions'], '--max-sessions'),
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: [] },
        without: { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string' },
        json: { type: 'string' },
        markdown: { type: 'boolean', default: false },
        'proxy-flags': { type: 'string', default: '' },
        variant: { type: 'string', multiple: true, default: [] },
        'proxy-entry': { type: 'string', multiple: true, default: [] },
        rival: { type: 'string', multiple: true, default: [] },
        share: { type: 'string' },
        'server-port': { type: 'string' },
        'delay-port': { type: 'string' },
        'light-port': { type: 'string' },
        'max-sessions': { type: 'string', default: '5000' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error));
  }
}

function parseWorkloads(texts: readonly string[]): readonly WorkloadName[] {
  const names = texts.flatMap((text) => text.split(','));
  const unknown = names.filter((name) => !WORKLOADS.some((one) => one === name));
  if (unknown.length > 0)
    throw new BenchUsageError(`--only ${unknown.join(',')}: workloads are ${WORKLOADS.join(', ')}`);
  return names.length === 0 ? WORKLOADS : WORKLOADS.filter((name) => names.includes(name));
}

function parseVariant(text: string): Variant {
  const [name, flags] = split(text, '--variant', 'NAME=FLAGS');
  return { name, flags: parseArgsStringToArgv(flags) };
}

function parseEntry(text: string): Options['entries'][number] {
  const [name, given] = text.includes('=')
    ? split(text, '--proxy-entry', '[NAME=]PATH')
    : ['other build', text];
  const path = resolve(given);
  if (!existsSync(path)) throw new BenchUsageError(`--proxy-entry ${text}: there is no file ${path}`);
  return { name, path };
}

function parseRival(text: string): Rival {
  const [name, ports] = split(text, '--rival', 'NAME=PORT[,DELAYED-PORT[,LIGHT-PORT]]');
  const [server, delayed, light] = ports.split(',').map((one) => parsePort(one, '--rival'));
  return {
    name,
    ports: {
      ...(server === undefined ? {} : { server }),
      ...(delayed === undefined ? {} : { delayed }),
      ...(light === undefined ? {} : { light }),
    },
  };
}

function split(text: string, flag: string, form: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new BenchUsageError(`${flag} ${text}: expected is ${form}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function parsePort(text: string, flag: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535)
    throw new BenchUsageError(`${flag} ${text}: a port is a number from 1 to 65535`);
  return port;
}

function parseCount(text: string, flag: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new BenchUsageError(`${flag} ${text}: expected is a number from 1`);
  return Number(text);
}
