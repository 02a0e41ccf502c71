import { type Config, loadConfig } from '../config/load.ts';
import type { SettingName } from '../config/settings.ts';
import { UsageError } from '../errors.ts';
import type { Client } from './connect/client.ts';
import { CLIENTS, findClients, unknownClient } from './connect/clients.ts';
import { type FoundTarget, findTarget } from './connect/find-target.ts';
import { describeTarget, heading, introduction, namesOfClients, overview } from './connect/show.ts';
import { CONNECT } from './manual/connect.ts';
import { parseCommand, print, printHelp } from './parser.ts';

/** The widest that text gets. */
const WIDTH = 100;

/** They would have the program do something else. */
const NOT_HERE = ['check-config', 'print-config'] as const satisfies SettingName[];

/** @param argv - behind `connect`. */
export async function runConnectCommand(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  version: string,
): Promise<number> {
  const { words, flags, wanted } = await parseCommand(CONNECT, argv);
  if (wanted === 'help') return printHelp(CONNECT);
  if (wanted === 'version') return print(version);
  const { for: names, as, json, ...settings } = flags;
  const problems = NOT_HERE.filter((name) => name in settings).map(
    (name) => `--${name} does nothing with connect`,
  );
  const clients = readClients(names, problems);
  const user = readUser(as, problems);
  const ownFlags = Object.keys(CONNECT.options ?? {});
  const found = await findTargets(() => loadConfig(words, settings, env, ownFlags), user, problems);
  if (json === true) {
    const servers = found.map((one) => describeTarget(one, clients ?? CLIENTS));
    return print(JSON.stringify({ servers }, null, 2));
  }
  if (clients === undefined) return print([...found.map(overview), namesOfClients(WIDTH)].join('\n\n'));
  return paste(found, clients);
}

/** @returns undefined if nobody has asked for certain ones. */
function readClients(names: unknown, problems: string[]): readonly Client[] | undefined {
  if (names === undefined) return undefined;
  if (names === true || names === '') {
    problems.push('--for takes the name of a client, such as jdbc');
    return undefined;
  }
  const words = (Array.isArray(names) ? names : [names]).map(String).flatMap((name) => name.split(','));
  const clients = words.flatMap((word) => {
    const found = findClients(word);
    if (found.length === 0) problems.push(unknownClient(word));
    return found;
  });
  return [...new Set(clients)];
}

function readUser(as: unknown, problems: string[]): string | undefined {
  if (as === undefined || (typeof as === 'string' && as !== '')) return as;
  problems.push('--as takes one user name');
  return undefined;
}

/** @throws UsageError with these problems, those of the configuration, and the reasons why servers have no target. */
async function findTargets(
  readConfig: () => Config,
  user: string | undefined,
  problems: readonly string[],
): Promise<FoundTarget[]> {
  const found: FoundTarget[] = [];
  const all = new Set(problems);
  try {
    const { servers, warnings } = readConfig();
    for (const warning of warnings) tell(warning);
    for (const server of servers) {
      const target = await findTarget(server, user).catch((error: unknown) => (error as Error).message);
      if (typeof target === 'string') all.add(`${server.server.host}: ${target}`);
      else found.push(target);
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    for (const problem of error.problems) all.add(problem);
  }
  if (all.size > 0) throw new UsageError([...all]);
  return found;
}

/**
 * Prints what is to be pasted on standard output, and all that is said about it on standard error.
 *
 * @returns the exit status: 1 if a client cannot use what there is.
 */
function paste(found: readonly FoundTarget[], clients: readonly Client[]): number {
  let status = 0;
  let isFirst = true;
  for (const one of found) {
    say(`${introduction(one)}\n`);
    for (const client of clients) {
      const reason = client.refuses?.(one.target);
      if (reason === undefined) {
        if (!isFirst) print('');
        isFirst = false;
        pasteOne(client, one);
      } else {
        tell(`nothing for ${client.title}. ${reason}`);
        status = 1;
      }
    }
  }
  return status;
}

function pasteOne(client: Client, { target }: FoundTarget): void {
  say(heading(client));
  print(client.text(target));
  for (const note of client.notes?.(target) ?? []) say(`- ${note}`);
}

function tell(message: string): void {
  say(`pg-entra-proxy connect: ${message}`);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
