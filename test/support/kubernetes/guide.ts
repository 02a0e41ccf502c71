import { readFileSync } from 'node:fs';

/** docs/kubernetes.md. */
export const GUIDE = readFileSync(new URL('../../../docs/kubernetes.md', import.meta.url), 'utf8');

/** The guide's blocks in a language, in the order in which a reader comes to them. */
export function guideBlocks(language: string): string[] {
  return [...GUIDE.matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
    .filter(([, ofBlock]) => ofBlock === language)
    .map(([, , text = '']) => text);
}

/** The guide's commands, each on one line. */
export function guideCommands(): string[] {
  return guideBlocks('sh').flatMap((block) =>
    block
      .replaceAll(/\s*\\\n\s*/g, ' ')
      .trim()
      .split('\n'),
  );
}

/** The guide's SQL, by the database that it is for. */
export function guideSql(): (readonly [database: string, sql: string])[] {
  return guideBlocks('sql').map((block) => {
    const [, database = '', sql = ''] = /^-- in database (\w+)\n([^]*)$/.exec(block) ?? [];
    return [database, sql];
  });
}
