import { type ConfiguredIdentities, loadIdentities } from '../config/identities.ts';
import type { RawFlags } from '../config/load.ts';
import type { SettingName } from '../config/settings.ts';
import { ProxyError, UsageError } from '../errors.ts';
import { describeError } from '../log.ts';
import { describeCredential } from './identities.ts';
import { TOKEN } from './manual/token.ts';
import { parseCommand, print, printHelp } from './parser.ts';
import { type GotToken, getToken, type SharedIdentity } from './token/get-token.ts';
import { rawProblem, writeOut } from './token/raw.ts';
import { reportOn, type TokenReport } from './token/report.ts';
import { jsonOf, tableOf } from './token/show.ts';

/** They would have the program do something else. */
const NOT_HERE = ['check-config', 'print-config'] as const satisfies SettingName[];

/** @param argv - behind `token`. */
export async function runTokenCommand(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  version: string,
): Promise<number> {
  const { words, flags, wanted } = await parseCommand(TOKEN, argv);
  if (wanted === 'help') return printHelp(TOKEN);
  if (wanted === 'version') return print(version);
  const { raw = false, json = false, 'yes-show-token': isConfirmed = false, ...settings } = flags;
  const problems = NOT_HERE.filter((name) => name in settings).map(
    (name) => `--${name} does nothing with token`,
  );
  if (raw === true && json === true)
    problems.push('--raw prints the token and nothing else: it does not go with --json');
  if (raw === false && isConfirmed === true) problems.push('--yes-show-token does nothing without --raw');
  const refusal = raw === true ? rawProblem(process.stdout.isTTY, isConfirmed === true) : undefined;
  if (refusal !== undefined) problems.push(refusal);
  const { identities, warnings } = load(words, settings, env, problems);
  for (const warning of warnings) tell(warning);
  const shared = share(identities);
  if (raw === true) return printRaw(shared);
  return json === true ? printJson(shared) : printTables(shared);
}

/** @throws UsageError with these problems, and those of the configuration. */
function load(
  servers: readonly string[],
  flags: RawFlags,
  env: NodeJS.ProcessEnv,
  problems: readonly string[],
): ConfiguredIdentities {
  try {
    const loaded = loadIdentities(servers, flags, env);
    if (problems.length > 0) throw new UsageError([]);
    return loaded;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError([...new Set([...problems, ...error.problems])]);
  }
}

/** What has the same credential and scope has the same token. */
function share(identities: ConfiguredIdentities['identities']): SharedIdentity[] {
  const groups = Map.groupBy(identities, ({ settings, cloud }) =>
    JSON.stringify(describeCredential(settings, cloud)),
  );
  return [...groups.values()].flatMap((uses) => {
    const [first] = uses;
    return first === undefined ? [] : [{ credential: describeCredential(first.settings, first.cloud), uses }];
  });
}

/** @throws UsageError if there are several. */
async function printRaw(shared: readonly SharedIdentity[]): Promise<number> {
  const [one, ...others] = shared;
  if (one === undefined || others.length > 0) {
    throw new UsageError([
      `--raw prints one token, and here are ${shared.length} identities: name one with flags, without the file`,
    ]);
  }
  const got = await get(one);
  if (got === undefined) return 1;
  if (got.objection !== undefined) return fail(got.objection);
  try {
    await writeOut(`${got.token.value}\n`);
    return 0;
  } catch (error) {
    tell(`nobody took the token: ${describeError(error)}`);
    return 1;
  }
}

async function printTables(shared: readonly SharedIdentity[]): Promise<number> {
  let isFirst = true;
  const show = (report: TokenReport): void => {
    print(isFirst ? tableOf(report) : `\n${tableOf(report)}`);
    isFirst = false;
  };
  return forEach(shared, show);
}

async function printJson(shared: readonly SharedIdentity[]): Promise<number> {
  const tokens: object[] = [];
  const status = await forEach(shared, (report) => void tokens.push(jsonOf(report)));
  print(JSON.stringify({ tokens }, null, 2));
  return status;
}

/**
 * Gets the tokens one after the other, because one may have to be waited for by a person.
 *
 * @returns the exit status.
 */
async function forEach(
  shared: readonly SharedIdentity[],
  show: (report: TokenReport) => void,
): Promise<number> {
  let status = 0;
  for (const one of shared) {
    const got = await get(one);
    if (got === undefined) {
      status = 1;
      continue;
    }
    const report = await reportOn(got, one);
    show(report);
    if (report.audienceWarning !== undefined) tell(report.audienceWarning);
    for (const { problem } of report.logins)
      if (problem?.hint !== undefined) tell(`${problem.message}\nHINT: ${problem.hint}`);
    if (got.objection !== undefined) status = fail(got.objection);
  }
  return status;
}

/** @returns undefined if there is no token; the reason has been told then. */
async function get(one: SharedIdentity): Promise<GotToken | undefined> {
  try {
    return await getToken(one, (message) => void process.stderr.write(`${message}\n`));
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    const users = one.uses.flatMap(({ usedBy }) => usedBy ?? []);
    fail(error, users.length === 0 ? '' : `${users.join(', ')}: `);
    return undefined;
  }
}

function fail(error: ProxyError, who = ''): number {
  tell(`${who}${describeError(error, 0)}`);
  if (error.hint !== undefined) process.stderr.write(`HINT: ${error.hint}\n`);
  return 1;
}

function tell(message: string): void {
  process.stderr.write(`pg-entra-proxy token: ${message}\n`);
}
