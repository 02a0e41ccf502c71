/** Runs of the characters that a JWT is made of. */
const WORD = /[\w.-]+/g;

/** What a JWT begins with: `{"` in base64url. */
const JWT_START = 'eyJ';

const MIN_JWT_LENGTH = 12;

/** The same text with anything that looks like a token taken out: for text that others wrote. */
export function withoutTokens(text: string): string {
  return text.replaceAll(WORD, (word) => {
    const start = word.indexOf(JWT_START);
    const isToken = start !== -1 && word.length - start > MIN_JWT_LENGTH && word.includes('.', start);
    return isToken ? `${word.slice(0, start)}[token]` : word;
  });
}

/** A stranger's text for a log line or a terminal: one line, printable, bounded. */
export function printable(text: string, maxLength = 128): string {
  // oxlint-disable-next-line no-control-regex -- exactly those are to go
  const clean = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?');
  return clean.length <= maxLength ? clean : `${clean.slice(0, maxLength)}...`;
}
