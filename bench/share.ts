import { rmSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LOOPBACK } from '../src/demo/loopback.ts';
import { isListening } from './linux/listeners.ts';
import type { Options } from './options.ts';
import { DATABASE, ROLE, SERVER_NAME, type Stage } from './stage.ts';

const RIVAL_TIMEOUT_MS = 300_000;
const POLL_MS = 100;

/** Tells what rivals need, puts it where `--share` says until this ends, and waits until they listen. */
export async function shareWithRivals(
  { rivals, share }: Options,
  stage: Stage,
  say: (line: string) => void,
): Promise<void> {
  const files = share === undefined ? stage : await copyTo(share, stage);
  if (rivals.length === 0) return;
  say(`for rivals: ${SERVER_NAME} at ${LOOPBACK}:${stage.postgres.port}, CA ${files.caFile},`);
  say(`            role ${ROLE}, database ${DATABASE}, password in ${files.tokenFile}`);
  for (const { name, ports } of rivals) {
    say(`waiting for ${name} on port ${ports.server} ...`);
    await waitFor(name, ports.server ?? 0);
  }
}

async function copyTo(directory: string, stage: Stage): Promise<Pick<Stage, 'caFile' | 'tokenFile'>> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const copies = { caFile: join(directory, 'ca.pem'), tokenFile: join(directory, 'token') };
  process.on('exit', () => {
    for (const path of Object.values(copies)) rmSync(path, { force: true });
  });
  await copyFile(stage.caFile, copies.caFile);
  await copyFile(stage.tokenFile, copies.tokenFile);
  return copies;
}

async function waitFor(name: string, port: number): Promise<void> {
  const deadline = performance.now() + RIVAL_TIMEOUT_MS;
  while (!(await isListening(port))) {
    if (performance.now() > deadline) throw new Error(`${name} does not listen on port ${port}`);
    await delay(POLL_MS);
  }
}
