/** What differs between the servers that take an Entra token. */
export interface Preset {
  readonly port: number;
  /** Added to the client's own `options`, where the server wants to be told that a token will come. */
  readonly options?: string;
  /** Whether the server is one of Azure's: then names can be short, and roots and scope are known. */
  readonly isAzure: boolean;
}

export const PRESETS = {
  azure: { port: 5432, isAzure: true },
  /** @see https://www.cockroachlabs.com/docs/stable/sso-sql */
  cockroachdb: { port: 26_257, options: '--crdb:jwt_auth_enabled=true', isAzure: false },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;

export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];
