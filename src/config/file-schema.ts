import { createRequire } from 'node:module';
import type { JsonType } from './parsers.ts';
import {
  IDENTITY_SETTING_NAMES,
  SERVER_SETTING_NAMES,
  SETTING_NAMES,
  SETTINGS,
  type Setting,
  type SettingName,
} from './settings.ts';

/** What is to be done, and with which file, is for the command line. */
export const NOT_IN_FILES: ReadonlySet<SettingName> = new Set(['config', 'check-config', 'print-config']);

export type FileSchema = ReturnType<typeof createFileSchema>;

/**
 * What a configuration file may hold. The settings at the top are for every server that says nothing else.
 *
 * Made, and its library loaded, for who has a file: it would be a quarter of the program's start.
 */
export function createFileSchema() {
  const { z } = createRequire(import.meta.url)('zod') as typeof import('zod');
  /** What a setting's value is in JSON Schema's words. */
  const types = new Map<unknown, JsonType>();

  /** A value of a setting: what it says is looked at later, and told in the same words as a flag's. */
  function valueOf(name: SettingName) {
    const { help, parse, isList, default: fallback }: Setting<unknown> = SETTINGS[name];
    const scalar = z.union([z.string(), z.number(), z.boolean()], 'takes text, a number, or true or false');
    const list = z.array(z.union([z.string(), z.number()]), 'takes a list, or text').min(1, 'is empty');
    const value = isList ? z.union([list, z.string()], 'takes a list, or text') : scalar;
    const type = parse.json ?? { type: ['string', 'number'] };
    const isText = type['type'] !== 'integer' && type['type'] !== 'boolean';
    const defaults = fallback === undefined ? {} : { default: isText ? fallback : parse(fallback) };
    types.set(value, { description: help, ...type, ...defaults });
    return value.optional();
  }

  function valuesOf(names: readonly SettingName[]) {
    return Object.fromEntries(names.map((name) => [name, valueOf(name)]));
  }

  const clientUser = z.strictObject(
    {
      'pass-through': z
        .boolean('takes true or false')
        .optional()
        .describe('the client logs in as itself, with its own PostgreSQL password'),
      ...valuesOf(IDENTITY_SETTING_NAMES),
    },
    'takes settings, such as user: ROLE, or pass-through: true',
  );
  const clientUsers = z
    .record(z.string().min(1), clientUser, 'takes user names, each with its settings')
    .optional()
    .describe('by the user name that a client gives: the role and identity that it logs in as');
  const serverName = z.string('takes a name, or name:port').describe('its name, or name:port');
  const server = z.strictObject(
    { server: serverName, 'client-users': clientUsers, ...valuesOf(SERVER_SETTING_NAMES) },
    'takes settings, one of them server: NAME',
  );
  const program = z.strictObject(
    {
      server: serverName.optional(),
      servers: z.array(server, 'takes a list').min(1, 'is empty').optional(),
      'client-users': clientUsers,
      ...valuesOf(SETTING_NAMES.filter((name) => !NOT_IN_FILES.has(name))),
    },
    'takes settings, such as server: NAME',
  );
  return { z, types, program, server, clientUser };
}

/** The keys that a part of a file may have: the top of it, an entry of `servers`, one of `client-users`. */
export function namesAt(schema: FileSchema, part: 'program' | 'server' | 'clientUser'): readonly string[] {
  return Object.keys(schema[part].shape);
}

/** The same for editors, as JSON Schema. */
export function fileJsonSchema(): Record<string, unknown> {
  const { z, types, program } = createFileSchema();
  const schema = z.toJSONSchema(program, {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      const type = types.get(zodSchema);
      if (type === undefined) return;
      delete jsonSchema.anyOf;
      Object.assign(jsonSchema, type);
    },
  });
  return { title: 'Configuration of pg-entra-proxy', ...schema };
}
