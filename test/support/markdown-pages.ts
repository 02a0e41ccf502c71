import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import GithubSlugger from 'github-slugger';
import { lexer, type Token, type Tokens, walkTokens } from 'marked';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** One page of the documentation, as GitHub shows it. */
export interface Page {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
  /** What can stand behind `#` in a link to it. */
  readonly anchors: ReadonlySet<string>;
  /** Where its links and images lead. */
  readonly links: readonly string[];
  readonly blocks: readonly CodeBlock[];
}

export interface CodeBlock {
  readonly language: string;
  /** Of the page, from 1. */
  readonly line: number;
  /** Without a line end. */
  readonly text: string;
}

/** All pages, also those that are not committed yet. */
export function pagePaths(patterns: readonly string[] = ['**/*.md']): string[] {
  const exclude = ['node_modules/**', 'dist/**'];
  return globSync([...patterns, '.github/**/*.md'], { cwd: ROOT, exclude }).toSorted();
}

/** @throws if there is no such page. */
export function readPage(path: string): Page {
  return parsePage(path, readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));
}

export function parsePage(path: string, text: string): Page {
  const slugger = new GithubSlugger();
  const anchors = new Set<string>();
  const links: string[] = [];
  const blocks: CodeBlock[] = [];
  let read = 0;
  void walkTokens(lexer(text), (token) => {
    if (isA('heading', token)) anchors.add(slugger.slug(plainText(token.tokens)));
    else if (isA('link', token) || isA('image', token)) links.push(token.href);
    else if (isA('code', token)) {
      read = text.indexOf(token.raw.trimEnd(), read);
      const line = text.slice(0, read).split('\n').length;
      blocks.push({ language: token.lang ?? '', line, text: token.text });
      read += token.raw.trimEnd().length;
    }
  });
  return { path, text, anchors, links, blocks };
}

interface TokenTypes {
  readonly heading: Tokens.Heading;
  readonly link: Tokens.Link;
  readonly image: Tokens.Image;
  readonly code: Tokens.Code;
}

/** marked's own union has a member for extensions, whose type may be any string. */
function isA<Type extends keyof TokenTypes>(type: Type, token: Token): token is TokenTypes[Type] {
  return token.type === type;
}

function plainText(tokens: readonly Token[]): string {
  return tokens
    .map((token) => ('tokens' in token && token.tokens !== undefined ? plainText(token.tokens) : token.raw))
    .join('');
}
