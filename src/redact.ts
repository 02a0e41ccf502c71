/** A JWT, or the greater part of one: base64url of `{"` and so on, with at least one dot. */
const JWT = /eyJ[\w-]{8,}(?:\.[\w-]*)+/g;

/** The same text with anything that looks like a token taken out: for text that others wrote. */
export function withoutTokens(text: string): string {
  return text.replaceAll(JWT, '[token]');
}

/** A stranger's text for a log line or a terminal: one line, printable, bounded. */
export function printable(text: string, maxLength = 128): string {
  // oxlint-disable-next-line no-control-regex -- exactly those are to go
  const clean = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?');
  return clean.length <= maxLength ? clean : `${clean.slice(0, maxLength)}...`;
}
