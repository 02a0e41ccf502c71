import { readFileSync } from 'node:fs';

/** A fenced block of a page. */
export interface Block {
  /** What stands behind the fence, such as `sh`. */
  readonly language: string;
  readonly text: string;
}

/** The blocks of a page in docs, in the order in which a reader comes to them. */
export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^( *)```(\w*)\n([^]*?)^\1```$/gm)].map(
    ([, indent = '', language = '', text = '']) => ({
      language,
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  );
}

/** @param path - from the root of the project. */
export function readPage(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}

/** A page without its blocks. */
export function withoutBlocks(markdown: string): string {
  return markdown.replaceAll(/^( *)```[^]*?^\1```$/gm, '');
}
