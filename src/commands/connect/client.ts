import type { Target } from './target.ts';

/** A PostgreSQL client, and how to tell it where the proxy is. */
export interface Client {
  /** What `--for` takes. */
  readonly name: string;
  /** Other names for it, or for a group that it belongs to. */
  readonly aliases?: readonly string[];
  readonly title: string;
  /** What its text is written in, as Markdown names it. */
  readonly language: string;
  /** Where the text goes, if that is not plain. */
  readonly place?: string;
  /** To be pasted as it is, but for placeholders. */
  readonly text: (target: Target) => string;
  /** What else is to be known, in whole sentences. */
  readonly notes?: (target: Target) => readonly string[];
  /** Why it cannot be given this target; undefined if it can. */
  readonly refuses?: (target: Target) => string | undefined;
}

/** For clients that only know TCP. */
export function needsTcp({ socket }: Target): string | undefined {
  if (socket === undefined) return undefined;
  return 'It knows no Unix sockets. Let the proxy listen on a port too: --address 127.0.0.1';
}

/** Lines of a form, the values below each other. */
export function form(fields: readonly (readonly [string, string])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length)) + 2;
  return fields.map(([name, value]) => `${name.padEnd(width)}${value}`).join('\n');
}
