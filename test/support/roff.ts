import wrapAnsi from 'wrap-ansi';

/** No line of the source is longer, but for those that stay as they are. */
const LINE_LENGTH = 78;

/**
 * Text as roff takes it: what stands for itself elsewhere but not there, and nothing at the beginning of a
 * line that would be a request.
 *
 * @see https://man7.org/linux/man-pages/man7/groff_char.7.html
 */
export function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll(/^\./gm, '\\&.');
}

/** Text in lines of the source; where they end is nothing to the reader. */
export function filled(text: string): string[] {
  return wrapAnsi(text, LINE_LENGTH).split('\n').map(escaped);
}

/** Paragraphs, with space between them. */
export function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text) => ['.PP', ...filled(text)]);
}

/** Lines that stay as they are. */
export function literal(lines: readonly string[]): string[] {
  return ['.PP', '.RS 4', '.nf', ...lines.map(escaped), '.fi', '.RE'];
}

/** A term, bold, and what is said of it. */
export function tagged(term: string, text: string): string[] {
  return ['.TP', term, ...filled(text)];
}

export function bold(text: string): string {
  return `\\fB${escaped(text)}\\fR`;
}

export function italic(text: string): string {
  return `\\fI${escaped(text)}\\fR`;
}
