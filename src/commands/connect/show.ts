import type { Client } from './client.ts';
import { CLIENTS, COMMON_CLIENTS } from './clients.ts';
import type { FoundTarget } from './find-target.ts';
import { hostAndPort, type Target } from './target.ts';

/** Which server it is, where its clients go, and what they should know. */
export function introduction({ target, remarks }: FoundTarget): string {
  const place = target.socket ?? hostAndPort(target);
  return [`${target.server}, at ${place}`, ...remarks.map((remark) => `  ${remark}`)].join('\n');
}

/** The commonest settings of one server, for people. */
export function overview(found: FoundTarget): string {
  const { target } = found;
  const shown = COMMON_CLIENTS.filter((client) => client.refuses?.(target) === undefined);
  const width = Math.max(...shown.map(({ title }) => title.length)) + 2;
  const lines = shown.map((client) => `${client.title.padEnd(width)}${client.text(target)}`);
  return [introduction(found), '', ...lines].join('\n');
}

/** What `--for` takes, as a paragraph. */
export function namesOfClients(maxLength: number): string {
  const lines = ['More with --for NAME:'];
  for (const { name } of CLIENTS) {
    const line = `${lines.at(-1)} ${name}`;
    if (line.length > maxLength) lines.push(`  ${name}`);
    else lines[lines.length - 1] = line;
  }
  return lines.join('\n');
}

/** What stands above a text that is to be pasted. */
export function heading({ title, place }: Client): string {
  return `${title}${place === undefined ? '' : ` (${place})`}:`;
}

/** One server with its settings for some clients, for machines. */
export function describeTarget({ target, remarks }: FoundTarget, clients: readonly Client[]): object {
  const { server, host, port, socket, database, user, needsPassword, tls } = target;
  return {
    server,
    host,
    port,
    ...(socket === undefined ? {} : { socket }),
    database,
    user,
    needsPassword,
    sslmode: tls.mode,
    ...(tls.mode === 'verify-full' ? { sslrootcert: tls.rootCert } : {}),
    remarks,
    clients: clients.map((client) => describeClient(client, target)),
  };
}

function describeClient(client: Client, target: Target): object {
  const { name, title, place, language } = client;
  const reason = client.refuses?.(target);
  if (reason !== undefined) return { name, title, unusable: reason };
  return {
    name,
    title,
    ...(place === undefined ? {} : { place }),
    language,
    text: client.text(target),
    notes: client.notes?.(target) ?? [],
  };
}
