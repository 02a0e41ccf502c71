import { readFile, readlink, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { StartError } from '../errors.ts';
import { type ListenerEvents, type OpenListener, openUnixListener } from '../proxy/listener.ts';
import { findPortOwner } from '../proxy/port-owner.ts';
import type { ListenAddress } from '../proxy/server.ts';
import { openTcpListeners } from '../proxy/tcp-listener.ts';
import { socketPath } from '../proxy/unix-socket.ts';
import { place } from './addresses.ts';
import { type Fact, type Finding, failed, failedBy, ok, type Repair, warning } from './step.ts';

/** Listens where the proxy would, for a moment. */
export async function checkLocalPort(where: readonly ListenAddress[]): Promise<Finding> {
  const findings: Finding[] = [];
  for (const one of where) {
    findings.push(await tryToListen(one));
  }
  const worst = ['failed', 'warning', 'ok'].flatMap((status) =>
    findings.filter((finding) => finding.status === status),
  );
  const [first, ...others] = worst;
  if (first === undefined) return ok('nothing is listened on');
  const facts: Fact[] = others.map(({ summary }) => ({ name: 'and', value: summary }));
  return { ...first, facts: [...first.facts, ...facts] };
}

const NOBODY: ListenerEvents = {
  accept: (client) => void client.on('error', () => {}).destroy(),
  failed: () => {},
  skipped: () => {},
};

async function tryToListen(where: ListenAddress): Promise<Finding> {
  const open: OpenListener[] = [];
  try {
    switch (where.kind) {
      case 'tcp': {
        open.push(...(await openTcpListeners(where.address, where.port, NOBODY)));
        return where.port === 0
          ? ok('any free port will do')
          : ok(`${place(where.address, where.port)} is free`);
      }
      case 'unix': {
        const path = socketPath(where.path, where.port);
        open.push(await openUnixListener(path, NOBODY));
        return ok(`${path} is free`);
      }
      default:
        return ok('a socket that the service manager opens');
    }
  } catch (error) {
    return error instanceof StartError ? await explain(error, where) : failedBy(error);
  } finally {
    for (const one of open) one.close();
  }
}

async function explain(error: StartError, where: ListenAddress): Promise<Finding> {
  const [, summary = error.message, advice] = /^(.*?)\. ([A-Z].*)$/s.exec(error.message) ?? [];
  const repair: Repair[] = advice === undefined ? [] : [{ text: `${advice}.` }];
  if (where.kind !== 'tcp' || !/ is in use/.test(summary)) return failed(summary, [], repair);
  const owner = await findPortOwner(where.port);
  if (owner === undefined) {
    const likely = { text: 'If that is pg-entra-proxy itself, all is well.' };
    return warning(`${summary}, by whom cannot be told`, [], [likely, ...repair]);
  }
  if (!(await isThisProgram(owner))) return failed(summary, [], repair);
  return ok(`${place(where.address, where.port)} is where pg-entra-proxy runs already: ${owner}`);
}

/** Whether a process, as `findPortOwner` names it, runs the same file as this one. */
async function isThisProgram(owner: string): Promise<boolean> {
  const pid = /\(pid (\d+)\)$/.exec(owner)?.[1];
  const [, own] = process.argv;
  if (pid === undefined || own === undefined) return false;
  try {
    const [, script = ''] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    const theirs = await realpath(resolve(await readlink(`/proc/${pid}/cwd`), script));
    return theirs === (await realpath(own));
  } catch {
    return false;
  }
}
