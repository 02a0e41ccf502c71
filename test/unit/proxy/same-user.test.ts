import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ProxyError } from '../../../src/errors.ts';
import { SameUser } from '../../../src/proxy/same-user.ts';
import { SocketTable } from '../../../src/proxy/socket-table.ts';
import { connectPair } from '../sockets.ts';

const LINUX_ONLY = process.platform !== 'linux' && 'only Linux tells whose a connection is';
const UNSHARE = 'unshare';
const NO_NAMESPACES =
  spawnSync(UNSHARE, ['--user', 'true']).status !== 0 && 'no user namespace can be made here';
const MODULE = new URL('../../../src/proxy/same-user.ts', import.meta.url).href;

/** Names the owner only when asked often enough. */
class LateTable extends SocketTable {
  asked = 0;
  readonly #after: number;

  constructor(after: number) {
    super([]);
    this.#after = after;
  }

  override findOwner(): Promise<number | undefined> {
    this.asked += 1;
    return Promise.resolve(this.asked > this.#after ? process.getuid?.() : undefined);
  }
}

function isRefusal(error: unknown): boolean {
  assert.ok(error instanceof ProxyError);
  assert.equal(error.sqlState, '28000');
  return true;
}

test('a row that is not seen at once is looked for again, but not for ever', {
  skip: LINUX_ONLY,
}, async () => {
  await using pair = await connectPair();
  const late = await SameUser.create(new LateTable(2));
  await late.admit(pair.near);
  const never = new LateTable(Number.POSITIVE_INFINITY);
  const { admit } = await SameUser.create(never);
  await assert.rejects(admit(pair.near), isRefusal);
  assert.equal(never.asked, 4);
});

test('a client that is gone is not taken for one of a Unix socket', { skip: LINUX_ONLY }, async () => {
  await using pair = await connectPair();
  pair.near.destroy();
  await once(pair.near, 'close');
  const { admit } = await SameUser.create(new LateTable(0));
  // What a socket that was reset before it was accepted looks like.
  const gone = Object.create(pair.near, { remoteAddress: { value: undefined } }) as typeof pair.near;
  await assert.rejects(admit(gone), isRefusal);
});

test('a user who has the number of all unknown users does not pass for one of them', {
  skip: LINUX_ONLY || NO_NAMESPACES,
}, async () => {
  const script = `
    const { SameUser } = await import(${JSON.stringify(MODULE)});
    await SameUser.create().then(() => console.log('started'), (error) => console.log(error.message));
  `;
  const node = [process.execPath, '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)(UNSHARE, ['--user', ...node]);
  assert.match(stdout, /--same-user cannot tell user \d+ from others here/);
  const mapped = await promisify(execFile)(UNSHARE, ['--user', '--map-root-user', ...node]);
  assert.equal(mapped.stdout, 'started\n');
});
