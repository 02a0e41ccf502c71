import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Node } from 'yaml';
import type { z } from 'zod';
import { createFileSchema, type FileSchema, NOT_IN_FILES, namesAt } from './file-schema.ts';
import type { Given, Layer } from './layers.ts';
import { SETTING_NAMES, SETTINGS, type SettingName } from './settings.ts';
import { didYouMean } from './suggestion.ts';

/** More than any estate needs; a file of this length is a mistake. */
const MAX_FILE_LENGTH = 1_048_576;

/** A client user of the file: passed through, or with the settings of its identity. */
export interface FileClientUser {
  readonly passThrough: boolean;
  readonly layer: Layer;
  /** Where it stands. */
  readonly origin: string;
}

/** A server of the file. */
export interface FileServer {
  readonly server: Given;
  readonly layer: Layer;
  readonly clientUsers: ReadonlyMap<string, FileClientUser>;
}

/** What a configuration file says. */
export interface FileConfig {
  readonly layer: Layer;
  readonly servers: readonly FileServer[];
  /** Of every server that does not say otherwise of a user. */
  readonly clientUsers: ReadonlyMap<string, FileClientUser>;
  /** Whether all of it could be read. */
  readonly isUsable: boolean;
}

/** What is said without a file. */
export const NO_FILE: FileConfig = { layer: new Map(), servers: [], clientUsers: new Map(), isUsable: true };

const NOTHING: FileConfig = { ...NO_FILE, isUsable: false };

/** Reads a file; what is wrong with it is added to the problems, with its line and column. */
export function readConfigFile(path: string, problems: Set<string>): FileConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    problems.add(`--config ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    return NOTHING;
  }
  if (text.length > MAX_FILE_LENGTH) {
    problems.add(`--config ${path} is longer than ${MAX_FILE_LENGTH} bytes`);
    return NOTHING;
  }
  return new FileReader(path, text, problems).read();
}

type Path = readonly PropertyKey[];

const NUMBERS: ReadonlySet<string> = new Set(['tag:yaml.org,2002:int', 'tag:yaml.org,2002:float']);

class FileReader {
  readonly #path: string;
  readonly #problems: Set<string>;
  /** Loaded for who has a file. */
  readonly #yaml = createRequire(import.meta.url)('yaml') as typeof import('yaml');
  readonly #lines = new this.#yaml.LineCounter();
  readonly #schema = createFileSchema();
  readonly #document;

  constructor(path: string, text: string, problems: Set<string>) {
    this.#path = path;
    this.#problems = problems;
    this.#document = this.#yaml.parseDocument(text, {
      lineCounter: this.#lines,
      // Whatever version the file says it is of, and without the tags that make something else than maps and lists.
      schema: 'core',
      resolveKnownTags: false,
      // Numbers stay as they are written, wherever an alias or a merge key takes them: 007 is a name.
      customTags: (tags) => tags.filter((tag) => typeof tag === 'string' || !NUMBERS.has(tag.tag)),
      merge: true,
      stringKeys: true,
      prettyErrors: false,
    });
  }

  read(): FileConfig {
    const { errors, warnings } = this.#document;
    for (const { message, pos } of [...errors, ...warnings]) this.#tell(pos[0], message);
    if (errors.length > 0) return NOTHING;
    const value = this.#toValue();
    if (value === undefined) return NOTHING;
    const { success, error } = this.#schema.program.safeParse(value);
    if (!success) this.#tellIssues(error.issues);
    return { ...this.#toConfig(record(value)), isUsable: success };
  }

  /** An empty file says nothing, which is fine. */
  #toValue(): unknown {
    try {
      return this.#document.toJS({ maxAliasCount: 100 }) ?? {};
    } catch (error) {
      this.#tell(0, (error as Error).message);
      return undefined;
    }
  }

  /** What is in the right place, whatever else there is: its values may have problems of their own to tell. */
  #toConfig(raw: Raw): Omit<FileConfig, 'isUsable'> {
    const { server, servers } = raw;
    if (server !== undefined && servers !== undefined) {
      this.#problems.add(
        `${this.#at(['servers'])} does not go together with server: put that one into the list`,
      );
    }
    const listed = Array.isArray(servers) ? servers : [];
    return {
      layer: this.#toLayer(raw, []),
      servers: [
        ...(server === undefined ? [] : [this.#toServer({ server }, [])]),
        ...listed.map((entry, index) => this.#toServer(record(entry), ['servers', index])),
      ],
      clientUsers: this.#toClientUsers(raw, []),
    };
  }

  #toServer(raw: Raw, path: Path): FileServer {
    return {
      server: {
        text: typeof raw['server'] === 'string' ? raw['server'] : '',
        origin: this.#at([...path, 'server']),
      },
      layer: this.#toLayer(raw, path),
      clientUsers: this.#toClientUsers(raw, path),
    };
  }

  #toClientUsers(raw: Raw, path: Path): ReadonlyMap<string, FileClientUser> {
    return new Map(
      Object.entries(record(raw['client-users'])).map(([name, value]) => {
        const entry = record(value);
        const at = [...path, 'client-users', name];
        // The one name that the schema does not look behind.
        if (name === '__proto__') this.#problems.add(`${this.#at(at)} cannot be a client user`);
        const layer = this.#toLayer(entry, at);
        return [name, { passThrough: entry['pass-through'] === true, layer, origin: this.#at(at) }];
      }),
    );
  }

  #toLayer(raw: Raw, path: Path): Layer {
    const names = SETTING_NAMES.filter((name) => isScalarOrList(raw[name]));
    return new Map(names.map((name) => [name, this.#toGiven(raw[name], [...path, name])]));
  }

  #toGiven(value: unknown, path: Path): Given {
    const texts = Array.isArray(value) ? value.map(String) : [String(value)];
    // What could not be told apart any more, with commas between them.
    const odd = Array.isArray(value) && texts.find((text) => text.includes(',') || text !== text.trim());
    if (typeof odd === 'string')
      this.#problems.add(
        `${this.#at(path)} takes no names with a comma in them or a space around them, not "${odd}"`,
      );
    return { text: texts.join(','), origin: this.#at(path) };
  }

  #tellIssues(issues: readonly z.core.$ZodIssue[]): void {
    for (const { path, ...issue } of issues) {
      const keys = issue.code === 'unrecognized_keys' ? issue.keys : [];
      for (const key of keys) {
        this.#problems.add(`${this.#at([...path, key], 'key')} ${misplaced(key, path, this.#schema)}`);
      }
      if (keys.length === 0) this.#problems.add(`${this.#at(path)} ${issue.message}`);
    }
  }

  /** Such as `proxy.yaml:3:7 servers[1].port`. */
  #at(path: Path, part: 'key' | 'value' = 'value'): string {
    const start = (part === 'key' ? this.#keyAt(path) : this.#nodeAt(path))?.range?.[0];
    const name = path
      .map((step) => (typeof step === 'number' ? `[${step + 1}]` : `.${String(step)}`))
      .join('');
    const where = start === undefined ? this.#path : this.#place(start);
    return `${where} ${name.replace(/^\./, '')}`.trimEnd();
  }

  #tell(offset: number, message: string): void {
    this.#problems.add(`${this.#place(offset)} ${message}`);
  }

  #place(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.#path}:${line}:${col}`;
  }

  /** The node at a path, or the nearest around it (what a merge key brought has none of its own). */
  #nodeAt(path: Path): Node | null | undefined {
    const { isAlias, isMap, isNode, isSeq } = this.#yaml;
    let node: Node | null | undefined = this.#document.contents;
    for (const step of path) {
      const around: Node | null | undefined = isAlias(node) ? node.resolve(this.#document) : node;
      const next: unknown = isMap(around) || isSeq(around) ? around.get(step, true) : undefined;
      if (!isNode(next)) return node;
      node = next;
    }
    return node;
  }

  #keyAt(path: Path): Node | null | undefined {
    const { isMap, isNode, isScalar } = this.#yaml;
    const around = this.#nodeAt(path.slice(0, -1));
    const pair = isMap(around)
      ? around.items.find(({ key }) => isScalar(key) && String(key.value) === path.at(-1))
      : undefined;
    return pair !== undefined && isNode(pair.key) ? pair.key : around;
  }
}

function isScalarOrList(value: unknown): boolean {
  const isOne = (one: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof one);
  return isOne(value) || (Array.isArray(value) && value.length > 0 && value.every(isOne));
}

type Raw = Readonly<Record<string, unknown>>;

/** A value that should be a map: an empty one if it is something else, which has been told then. */
function record(value: unknown): Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : {};
}

function misplaced(key: string, path: Path, schema: FileSchema): string {
  if (!Object.hasOwn(SETTINGS, key)) {
    const part = path.includes('client-users') ? 'clientUser' : path.length > 0 ? 'server' : 'program';
    return `is not a setting of pg-entra-proxy${didYouMean(key, namesAt(schema, part))}`;
  }
  if (NOT_IN_FILES.has(key as SettingName)) return 'is for flags and the environment';
  return path.includes('client-users')
    ? 'is not a setting of a client user, but of a server'
    : 'is a setting of the whole program: put it at the top';
}
