import leven from 'leven';

/** All names of commands but `run`, which is too near to other words; a test holds them against the manual. */
const NAMES = ['check', 'doctor', 'exec', 'connect', 'token', 'wait', 'shutdown', 'completion', 'demo'];

/**
 * What to say of a first word that is no command, but was probably meant to be one: it would be taken for
 * a server's name. Undefined if it may well be one.
 */
export function misspeltCommand(word: string): string | undefined {
  const asServer = `A server called so goes by its full host name, or behind run: pg-entra-proxy run ${word}`;
  if (word === 'help' || word === 'version')
    return `"${word}" is no command, but a flag: --${word}. ${asServer}`;
  // Who types a digit or a hyphen means it.
  if (!/^[a-z]+$/i.test(word)) return undefined;
  const meant = NAMES.find((name) => isOneSlip(word.toLowerCase(), name));
  return meant === undefined ? undefined : `"${word}" is no command; did you mean "${meant}"? ${asServer}`;
}

/** One letter more, less, or another; or two that changed places. */
function isOneSlip(word: string, meant: string): boolean {
  const distance = leven(word, meant, { maxDistance: 3 });
  return distance <= 1 || (distance === 2 && word.length === meant.length && sorted(word) === sorted(meant));
}

function sorted(word: string): string {
  return word.split('').toSorted().join('');
}
