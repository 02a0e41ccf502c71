import { closestMatch } from 'leven';

/** How many names that begin or end with a word are told. */
const MAX_LONGER = 3;

/** The fewest letters of which something can be made. */
const MIN_LENGTH = 3;

/**
 * A question to stand behind an error about a word that is not known: `; did you mean --port?`. Empty
 * where no known word is near.
 *
 * @param show - how such a word is written.
 */
export function didYouMean(
  word: string,
  known: readonly string[],
  show: (one: string) => string = quoted,
): string {
  const near = nearTo(word.toLowerCase().replaceAll('_', '-'), known);
  return near.length === 0 ? '' : `; did you mean ${near.map(show).join(' or ')}?`;
}

/** The word that is one letter away; else those that hold all of it; else the one that is nearest. */
function nearTo(word: string, known: readonly string[]): string[] {
  if (word.length < MIN_LENGTH) return [];
  const within = (maxDistance: number): string[] => {
    const closest = closestMatch(word, known, { maxDistance });
    return closest === undefined ? [] : [closest];
  };
  const longer = known.filter((one) => `-${one}-`.includes(`-${word}-`));
  // Two letters that changed places are two changes; of a short word, those would be most of it.
  const maxDistance = word.length === MIN_LENGTH ? 1 : Math.max(2, Math.floor(word.length / 3));
  const found = [within(1), longer.slice(0, MAX_LONGER), within(maxDistance)];
  return found.find((words) => words.length > 0) ?? [];
}

function quoted(word: string): string {
  return `"${word}"`;
}
