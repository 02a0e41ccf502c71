import type { Client } from './client.ts';
import { adoNet } from './quoting.ts';
import { PASSWORD, type Target } from './target.ts';

const GSS = 'Npgsql 10 may ask for GSS encryption first; the proxy says no, and it goes on without.';

export const DOTNET_CLIENTS: readonly Client[] = [
  {
    name: 'npgsql',
    aliases: ['dotnet', '.net', 'c#', 'csharp', 'ado.net', 'ef-core'],
    title: 'Npgsql',
    language: 'text',
    place: 'a connection string, such as in appsettings.json',
    text: (target) =>
      adoNet([
        ['Host', target.host],
        ['Port', target.port],
        ['Database', target.database],
        ['Username', target.user],
        ...(target.needsPassword ? [['Password', PASSWORD] as const] : []),
        ...tlsParameters(target),
      ]),
    notes: () => [GSS],
  },
];

/** Npgsql 6 and 7 check the certificate with Require too, unless told otherwise; 8 and later do not. */
function tlsParameters({ tls }: Target): readonly (readonly [string, string])[] {
  switch (tls.mode) {
    case 'disable':
      return [['SSL Mode', 'Disable']];
    case 'require':
      return [
        ['SSL Mode', 'Require'],
        ['Trust Server Certificate', 'true'],
      ];
    case 'verify-full':
      return [
        ['SSL Mode', 'VerifyFull'],
        ['Root Certificate', tls.rootCert],
      ];
    default:
      return tls satisfies never;
  }
}
