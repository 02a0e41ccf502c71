/** What shells, JSON and most languages take as it stands. */
const PLAIN_WORDS = /^[\w@+=:,./ -]+$/;

/** One word of a POSIX shell's command line; in double quotes where that is enough, which Windows knows too. */
export function shellWord(text: string): string {
  return PLAIN_WORDS.test(text) ? `"${text}"` : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** A word as it stands where it can, else quoted: for assignments. */
export function shellValue(text: string): string {
  return /^[\w@+:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * A string in double quotes, with escapes that JSON, YAML 1.1 and 1.2, JavaScript, Python and Go have in
 * common. What cannot be printed is escaped: YAML's readers refuse it.
 */
export function doubleQuoted(text: string): string {
  const escape = (character: string): string =>
    String.raw`\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(text).replaceAll(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g, escape);
}

/** In Elixir's double quotes `#{...}` is code. */
export function elixirString(text: string): string {
  return doubleQuoted(text).replaceAll('#{', String.raw`\#{`);
}

export function phpString(text: string): string {
  return `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
}

/**
 * libpq's keyword/value connection string; pgx, lib/pq, Npgsql's kin and PDO read the same.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
 */
export function keywordValue(parameters: readonly (readonly [string, string | number])[]): string {
  return parameters.map(([keyword, value]) => `${keyword}=${keywordValueQuoted(String(value))}`).join(' ');
}

export function keywordValueQuoted(text: string): string {
  return /^[^\s'\\]+$/.test(text) ? text : `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
}

/** A part of a URL: everything is encoded that means something anywhere, in a URL or to a shell. */
export function urlPart(text: string): string {
  const encode = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text.toWellFormed()).replaceAll(/[!'()*]/g, encode);
}

export function urlQuery(parameters: readonly (readonly [string, string | number])[]): string {
  return parameters.map(([name, value]) => `${name}=${urlPart(String(value))}`).join('&');
}

/**
 * An ADO.NET connection string.
 *
 * @see https://learn.microsoft.com/dotnet/framework/data/adonet/connection-string-syntax
 */
export function adoNet(parameters: readonly (readonly [string, string | number])[]): string {
  const quote = (text: string): string =>
    /^[\w@+:,./\\-]+(?: [\w@+:,./\\-]+)*$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`;
  return parameters.map(([keyword, value]) => `${keyword}=${quote(String(value))}`).join(';');
}
