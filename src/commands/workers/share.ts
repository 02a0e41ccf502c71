import type { Config, ServerConfig } from '../../config/load.ts';

/**
 * The configuration as one of several workers has it: what is a number of things for the server is divided,
 * rounded up, so that no worker is left without.
 */
export function shareOf(config: Config, workers: number): Config {
  const share = (server: ServerConfig): ServerConfig => {
    const { settings } = server;
    const { 'max-logins': logins, warm } = settings;
    return {
      ...server,
      settings: { ...settings, 'max-logins': Math.ceil(logins / workers), warm: Math.ceil(warm / workers) },
    };
  };
  return { ...config, servers: config.servers.map(share) };
}
