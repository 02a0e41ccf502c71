/** Whatever cannot be seen, or changes the order of what is around it. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]/gu;

/** Marks that pile up over and under a line. */
const PILE = /(\p{M}{2})\p{M}+/gu;

const MAX_LENGTH = 1_000;

/**
 * A stranger's text, as it is: what could not be seen is named.
 *
 * @param {string | null} text
 */
export function visible(text) {
  const clean = (text ?? '')
    .replaceAll(INVISIBLE, (character) => `‹U+${hex(character)}›`)
    .replaceAll(PILE, '$1…');
  return clean.length <= MAX_LENGTH ? clean : `${clean.slice(0, MAX_LENGTH)}…`;
}

/** @param {number} count */
export function bytes(count) {
  if (count < 1_000) return `${count} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log10(count) / 3), units.length);
  return `${three(count / 1_000 ** power)} ${units[power - 1]}`;
}

/**
 * A span of time in its largest units.
 *
 * @param {number} ms
 */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
  return `${Math.floor(minutes / 1_440)} d ${Math.floor((minutes % 1_440) / 60)} h`;
}

/**
 * The same in one unit, for what need not be exact.
 *
 * @param {number} ms
 */
export function roughly(ms) {
  return span(ms).split(' ').slice(0, 2).join(' ');
}

/** @param {number} ms */
export function latency(ms) {
  return ms < 1_000 ? `${three(ms)} ms` : `${three(ms / 1_000)} s`;
}

/** @param {number} count @param {string} one @param {string} several */
export function plural(count, one, several) {
  return `${count} ${count === 1 ? one : several}`;
}

/** As many decimals as make three digits. @param {number} value */
function three(value) {
  const decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return String(Number(value.toFixed(decimals)));
}

/** @param {number} value */
function pad(value) {
  return String(value).padStart(2, '0');
}

/** @param {string} character */
function hex(character) {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}
