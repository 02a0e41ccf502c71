/** Runs of the characters that tokens, secrets and keys are made of: base64, base64url, and Entra's own. */
const WORD = /[\w.~+/=-]+/g;

/** What a JWT begins with: `{"` in base64url. */
const JWT_START = 'eyJ';

const MIN_JWT_LENGTH = 12;

/** Shorter than any secret worth the name, longer than words; GUIDs (36) have no capitals. */
const MIN_SECRET_LENGTH = 32;

/** The same text with all that looks like a token or a secret taken out: for text that others wrote. */
export function withoutTokens(text: string): string {
  return text.replaceAll(WORD, (word) => {
    const start = word.indexOf(JWT_START);
    const isToken = start !== -1 && word.length - start > MIN_JWT_LENGTH && word.includes('.', start);
    if (isToken) return `${word.slice(0, start)}[token]`;
    return looksSecret(word) ? '[secret]' : word;
  });
}

/** The hash of a public key (`--pin`). */
const PIN = /^sha256\/[A-Za-z0-9+/]{43}=$/;

/** A long mixture of capitals, small letters and digits, that is no path. */
function looksSecret(word: string): boolean {
  if (word.length < MIN_SECRET_LENGTH || PIN.test(word)) return false;
  if (!/[A-Z]/.test(word) || !/[a-z]/.test(word) || !/\d/.test(word)) return false;
  return !isPath(word);
}

function isPath(word: string): boolean {
  if (!/^\.{0,2}\//.test(word) || /[+=~]/.test(word)) return false;
  return word.split('/').every((segment) => segment.length < MIN_SECRET_LENGTH);
}

/** A stranger's text for a log line or a terminal: one line, printable, bounded. */
export function printable(text: string, maxLength = 128): string {
  // oxlint-disable-next-line no-control-regex -- exactly those are to go
  const clean = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?');
  return clean.length <= maxLength ? clean : `${clean.slice(0, maxLength)}...`;
}
