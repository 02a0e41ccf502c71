import { isIP } from 'node:net';
import { didYouMean } from './suggestion.ts';

/** Turns a setting's text into its value; throws an Error whose message completes "--flag ...". */
export interface Parser<T> {
  (text: string): T;
  /** What it takes, as JSON Schema says it; absent for any text. */
  readonly json?: JsonType;
  /** What stands for a value in help: capitals for what is to be filled in, `a|b` for the words there are. */
  readonly value?: string;
}

/** A JSON Schema of one value. */
export type JsonType = Readonly<Record<string, unknown>>;

const DURATION: JsonType = { type: 'string', pattern: '^(\\d+(\\.\\d+)?(ms|s|m|h)|0)$' };

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** The longest delay that a timer can wait for, 2^31 - 1 milliseconds (24 days). */
const MAX_DURATION_MS = 2_147_483_647;

/** `500ms`, `30s`, `5m`, `1h` or `0`, as milliseconds. */
function durationOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const milliseconds = text === '0' ? 0 : Number(match?.[1]) * UNITS_MS[match?.[2] as keyof typeof UNITS_MS];
  if (Number.isNaN(milliseconds)) throw new Error(`takes a duration such as 500ms, 30s or 5m, not "${text}"`);
  if (milliseconds > MAX_DURATION_MS) throw new Error(`takes at most 24 days, not "${text}"`);
  return milliseconds;
}

export const parseDuration: Parser<number> = Object.assign(durationOf, {
  json: DURATION,
  value: 'DURATION',
});

/** A duration that something can be done in. */
export const parseTimeout: Parser<number> = Object.assign(
  (text: string): number => {
    const milliseconds = durationOf(text);
    if (milliseconds < 1) throw new Error('takes a duration above 0');
    return milliseconds;
  },
  { json: DURATION, value: 'DURATION' },
);

export function parseInteger(min: number, max: number): Parser<number> {
  const parse = (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new Error(`takes a whole number from ${min} to ${max}, not "${text}"`);
    return value;
  };
  return Object.assign(parse, { json: { type: 'integer', minimum: min, maximum: max }, value: 'N' });
}

export function parseChoice<T extends string>(choices: readonly T[]): Parser<T> {
  const parse = (text: string): T => {
    const choice = choices.find((one) => one === text);
    if (choice === undefined) {
      // Of numbers, the nearest is no more likely than any other.
      const meant = /[a-z]/i.test(text) ? didYouMean(text, choices) : '';
      throw new Error(`takes one of ${choices.join(', ')}, not "${text}"${meant}`);
    }
    return choice;
  };
  // YAML has 1.2 for a number.
  const numbers = choices.filter((choice) => String(Number(choice)) === choice).map(Number);
  return Object.assign(parse, { json: { enum: [...choices, ...numbers] }, value: choices.join('|') });
}

/** On or off, in the usual words. */
export const parseSwitch: Parser<boolean> = Object.assign(
  (text: string): boolean => {
    if (['true', '1', 'yes', 'on'].includes(text)) return true;
    if (['false', '0', 'no', 'off'].includes(text)) return false;
    throw new Error(`takes true or false, not "${text}"`);
  },
  { json: { type: 'boolean' } },
);

export function parseText(text: string): string {
  if (text === '') throw new Error('needs a value');
  if (text.includes('\0')) throw new Error('cannot hold a zero byte');
  return text;
}

export function parseHttpsUrl(text: string): string {
  if (!URL.canParse(text) || new URL(text).protocol !== 'https:') {
    throw new Error(`takes an https:// address, not "${text}"`);
  }
  return text;
}

/** A host name or IP address. */
export function parseHost(text: string): string {
  const isName = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/i.test(
    text,
  );
  if (!isName && isIP(text) === 0) throw new Error(`takes a host name or IP address, not "${text}"`);
  return text;
}

/** An address to listen on. */
export function parseAddress(text: string): string {
  if (text !== 'localhost' && isIP(text) === 0)
    throw new Error(`takes an IP address or localhost, not "${text}"`);
  return text;
}

/** Names with commas between them; a list in the file. */
export const parseList: Parser<readonly string[]> = Object.assign(
  (text: string): readonly string[] => {
    const names = text.split(',').map((name) => name.trim());
    if (names.includes('')) throw new Error(`takes names with commas between them, not "${text}"`);
    return names;
  },
  {
    json: {
      anyOf: [{ type: 'array', items: { type: ['string', 'number'] }, minItems: 1 }, { type: 'string' }],
    },
    value: 'NAME,...',
  },
);

export interface ServerArgument {
  readonly host: string;
  readonly port?: number | undefined;
}

/** `myserver` (completed with the cloud's suffix), a full host name, an address, each with `:port` or not. */
export function parseServer(text: string, hostSuffix: string | undefined): ServerArgument {
  if (text.includes('://')) throw new Error(`takes the server's name only: "${text}" is a URL`);
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(isIP(text) === 6 ? `[${text}]` : text);
  if (match === null) throw new Error(`takes a name, or name:port, not "${text}"`);
  const host = parseHost(match[1] ?? match[2] ?? '');
  const isShort = hostSuffix !== undefined && !host.includes('.') && host !== 'localhost' && isIP(host) === 0;
  return {
    host: isShort ? host + hostSuffix : host,
    port: match[3] === undefined ? undefined : parseInteger(1, 65_535)(match[3]),
  };
}
