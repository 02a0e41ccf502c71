import { isPin } from '../upstream/pins.ts';
import { type Parser, parseList } from './parsers.ts';

/** Prints the pin of a certificate, without `sha256/`. */
export const HOW_TO_COMPUTE =
  'openssl x509 -in CERTIFICATE.pem -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl enc -base64';

function pinsOf(text: string): readonly string[] {
  const pins = parseList(text);
  const strange = pins.find((pin) => !isPin(pin));
  if (strange === undefined) return pins;
  // What a server's query makes of a plus.
  const plus = strange.includes(' ') ? '; within a query, write %2B for +' : '';
  throw new Error(
    `takes sha256/ and the base64 of a public key's SHA-256 (44 characters), not "${strange}"${plus}. It is printed, without sha256/, by: ${HOW_TO_COMPUTE}`,
  );
}

/** Public keys, each as `sha256/BASE64`; with commas between them, and a list in the file. */
export const parsePins: Parser<readonly string[]> = Object.assign(pinsOf, {
  json: {
    anyOf: [
      { type: 'array', items: { type: 'string', pattern: '^sha256/[A-Za-z0-9+/]{43}=$' }, minItems: 1 },
      { type: 'string' },
    ],
  },
  value: 'sha256/BASE64',
});
