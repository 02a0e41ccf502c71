import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory of a test's own, gone after it. */
export interface TestFiles extends AsyncDisposable {
  readonly directory: string;
  /** Writes a file and gives its path. */
  write(name: string, content: string, mode?: number): Promise<string>;
}

export async function createTestFiles(): Promise<TestFiles> {
  const directory = await mkdtemp(join(tmpdir(), 'pg-entra-test-'));
  return {
    directory,
    async write(name, content, mode = 0o600) {
      const path = join(directory, name);
      await writeFile(path, content, { mode });
      return path;
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}
