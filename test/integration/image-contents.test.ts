import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { inspectImage, listFiles, noImage, startContainer } from '../support/image.ts';

const MAX_SIZE = 200_000_000;

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>;
}

/** Paths of a container's files; directories end with a slash. */
function pathOf(line: string): string {
  return line.replace(/^(?:\S+\s+){5}/, '').replace(/ (?:->|link to) .*/, '');
}

describe('the image', { skip: noImage }, () => {
  test('runs as a user that is nobody else, listens where the program does, and says what it is', async () => {
    const { Config, Healthcheck, Size } = await inspectImage();
    assert.equal(Config.User, '65532:65532');
    assert.deepEqual(Config.Entrypoint, ['/usr/local/bin/pg-entra-proxy']);
    assert.equal(Config.Cmd ?? null, null);
    assert.deepEqual(Config.Volumes ?? {}, {});
    assert.deepEqual(Config.ExposedPorts ?? {}, {});
    assert.deepEqual(
      Config.Env.filter((variable) => variable.startsWith('PGEP_')),
      [],
    );
    assert.equal(Healthcheck.Test[0], 'CMD');
    assert.ok(Healthcheck.Timeout >= 5e9);
    const labels = Object.entries(Config.Labels).map(([name, value]) => [name.split('.').at(-1), value]);
    const { title, description, licenses, version, revision } = Object.fromEntries(labels);
    assert.deepEqual([title, licenses, version], ['pg-entra-proxy', 'MIT', '0.0.0-test']);
    assert.match(revision, /^[0-9a-f]{40}$/);
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { description: string };
    assert.equal(description, manifest.description);
    assert.ok(Size < MAX_SIZE, `${Size} bytes`);
  });

  test('holds the production dependencies, all of them that Node.js loads, and nothing for development', async () => {
    const paths = (await listFiles()).map(pathOf);
    const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock;
    const development = Object.entries(lock.packages)
      .filter(([, { dev, devOptional }]) => dev === true || devOptional === true)
      .map(([path]) => `app/${path}/`);
    assert.ok(development.length > 10);
    assert.deepEqual(
      development.filter((path) => paths.includes(path)),
      [],
    );
    const forbidden = [
      /^(?:usr\/)?s?bin\/(?:ba|da|z|k)?sh$/,
      /busybox|\/(?:npm|npx|corepack)(?:\/|$)/,
      /^app\/.*\.(?:ts|map|node)$/,
      /^app\/(?:src|test|docker|package-lock)/,
      /^(?:root|tmp|home\/nonroot)\/./,
      /\.npm\/|_cacache/,
    ];
    for (const pattern of forbidden)
      assert.deepEqual(
        paths.filter((path) => pattern.test(path)),
        [],
      );
  });

  test('belongs to root, so that the program could not change itself', async () => {
    const own = (await listFiles()).filter((line) => pathOf(line).startsWith('app/'));
    assert.ok(own.length > 500);
    const odd = own.filter((line) => !/^[dl-](?:rwx|rw-)r[-w][-x]r-[-x] +0\/0 /.test(line));
    assert.deepEqual(
      odd.filter((line) => !line.startsWith('l')),
      [],
    );
  });

  test('has whatever each of its dependencies loads', async () => {
    const script = `
      import { readFileSync } from 'node:fs';
      const names = Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies);
      await Promise.all(names.map((name) => import(name)));
      console.log(names.length, 'loaded');`;
    await using container = startContainer(['--input-type=module', '-e', script], {
      run: ['--entrypoint', '/nodejs/bin/node', '--workdir', '/app'],
    });
    assert.equal(await container.exit, 0, container.output);
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: object };
    assert.equal(container.output, `${Object.keys(dependencies).length} loaded\n`);
  });
});
