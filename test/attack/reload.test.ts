import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { readdir, readlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { attackArguments, startAttack } from '../support/after-attack.ts';
import { createLocalTls, requestTls } from '../support/local-tls.ts';
import { SSL_REQUEST, STARTUP } from '../support/messages.ts';
import { connectPg } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { startListening } from '../support/running-program.ts';
import { until } from '../support/wait.ts';

const RELOADS = 8;

/** Connections of each kind that come at once. */
const WAVES = 4;

/** Connections that stay open over a reload. */
const KEPT = 30;

/** How many sockets a process has open. */
async function countSocketsOf(pid: number | undefined): Promise<number> {
  const names = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  return links.filter((link) => link.startsWith('socket:')).length;
}

test('SIGHUP while garbage and half-open connections come: nothing leaks, and each change counts', {
  skip: process.platform !== 'linux' && 'there is no /proc',
}, async () => {
  await using local = await createLocalTls();
  await using attack = await startAttack();
  const users = (password: string): string => `"app" "${password}"\n`;
  const usersFile = await local.files.write('users', users('first'));
  const config = await local.files.write('proxy.yaml', '');
  const yaml = (more: string): string =>
    [`local-tls-cert: ${local.certFile}`, `local-tls-key: ${local.keyFile}`]
      .concat([`local-users-file: ${usersFile}`, 'local-auth: scram-sha-256', more, ''])
      .join('\n');
  await writeFile(config, yaml(''));
  const args = [...(await attackArguments(attack, local.files)), '--config', config];
  await using program = await startListening([...args, '--log-level', 'debug']);
  const { port, child } = program;
  const ca = local.authority.certPem;
  const logIn = async (password: string): Promise<void> => {
    await using connection = await connectPg(port, {
      user: 'app',
      password,
      ssl: { ca, servername: 'localhost' },
    });
    await connection.client.query('select 1');
  };
  const reloads = (event: string): number => program.stderr.split(`"event":"${event}"`).length - 1;

  await logIn('first');
  await until('the first session to go', () => attack.server.openCount === 0);
  const before = await countSocketsOf(child.pid);

  const halfOpen: RawClient[] = [];
  const attackers = [
    async () => new RawClient(port).send(randomBytes(randomInt(300))),
    async () => new RawClient(port).send(STARTUP.subarray(0, randomInt(STARTUP.length))),
    async () => new RawClient(port).send(STARTUP),
    async () => new RawClient(port).send(SSL_REQUEST, randomBytes(100)),
    async () => {
      const bare = new RawClient(port);
      return new RawClient(await requestTls(bare.socket, { ca }), bare.socket).send(randomBytes(20));
    },
  ];
  const attackAll = async (): Promise<void> => {
    for (const leaving of halfOpen.splice(0, halfOpen.length - KEPT)) {
      if (randomInt(2) === 0) leaving.reset();
      else leaving.socket.end();
    }
    const wave = Array.from({ length: WAVES }, () => attackers.map((begin) => begin())).flat();
    halfOpen.push(...(await Promise.all(wave)));
  };

  const refusals: Promise<void>[] = [];
  for (let reload = 1; reload <= RELOADS; reload += 1) {
    const isBad = reload % 4 === 0;
    const event = isBad ? 'reload-failed' : 'reloaded';
    const seen = reloads(event);
    await attackAll();
    if (!isBad) await writeFile(usersFile, users(`password ${reload}`));
    await writeFile(config, yaml(isBad ? 'local-auth:' : `max-sessions: ${500 + reload}`));
    if (reload % 3 === 0) await local.renew();
    const attacks = attackAll();
    child.kill('SIGHUP');
    await attacks;
    await until('the reload', () => reloads(event) > seen);
    const last = isBad ? reload - 1 : reload;
    await logIn(`password ${last}`);
    // Each has to wait for its answer, and is wrong ever after.
    refusals.push(assert.rejects(logIn(`password ${last - 1}`), { code: '28P01' }));
  }
  await Promise.all(refusals);
  for (const client of halfOpen) client.socket.destroy();
  await until('the sockets to go', async () => (await countSocketsOf(child.pid)) <= before);
  await until('the server to be left', () => attack.server.openCount === 0);
  assert.deepEqual(attack.server.failures, []);
  assert.doesNotMatch(program.stderr, /"level":(?:50|60)(?!.*reload-failed)/);
  child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
});
