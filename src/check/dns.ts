import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Upstream } from '../upstream/dial.ts';
import { connectFailure } from '../upstream/failures.ts';
import { reachOf } from './addresses.ts';
import { within } from './bounded.ts';
import { type Checked, type Fact, failed, failedBy, ok, type Repair, warning } from './step.ts';

/** How names are resolved. */
export interface Resolving {
  /** As a dial does it: the addresses of a name, from wherever the system has them. */
  readonly addressesOf: (name: string) => Promise<readonly string[]>;
  /** As DNS alone has it: what a name is another name of; nothing if it is none, or if nobody says. */
  readonly aliasOf: (name: string) => Promise<string | undefined>;
}

/** Aliases only explain: they are not waited for. */
const ALIAS_TIMEOUT_MS = 2_000;

/** More than any name has; two of them may point at each other. */
const MAX_ALIASES = 10;

/** What stands in the name of a server that has a private endpoint. */
const PRIVATE_LINK = /(?:^|\.)(privatelink\..+?)\.?$/i;

/** The system's own ways. */
export function createResolving(): Resolving {
  const resolver = new Resolver({ timeout: ALIAS_TIMEOUT_MS, tries: 1 });
  return {
    addressesOf: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
    aliasOf: async (name) => (await resolver.resolveCname(name).catch(() => []))[0],
  };
}

/** Resolves what is dialled; gives its addresses. */
export async function checkDns(
  upstream: Upstream,
  resolving: Resolving,
): Promise<Checked<readonly string[]>> {
  const { address, trust, connectTimeoutMs } = upstream;
  const tlsName: Fact[] = trust.serverName === address ? [] : [{ name: 'TLS name', value: trust.serverName }];
  if (isIP(address) !== 0)
    return {
      finding: ok(`${address} is an address (${reachOf(address)}): nothing to resolve`, tlsName),
      result: [address],
    };
  const aliases = findAliases(address, resolving);
  try {
    const late = (): Error => new Error('no answer');
    const addresses = await within(connectTimeoutMs, resolving.addressesOf(address), late);
    const chain = await aliases;
    const facts = [...aliasFacts(chain), ...addresses.map(addressFact), ...tlsName];
    return { finding: judge(upstream, chain, addresses, facts), result: addresses };
  } catch (error) {
    const facts = [...aliasFacts(await aliases), ...tlsName];
    if ((error as NodeJS.ErrnoException).code !== undefined)
      return { finding: failedBy(connectFailure(error, upstream), facts) };
    const patience = `${connectTimeoutMs / 1_000} s`;
    const repair = [{ text: "Check this machine's network and DNS, or give --upstream-address." }];
    return { finding: failed(`no addresses for "${address}" within ${patience}`, facts, repair) };
  }
}

function judge(
  { address }: Upstream,
  chain: readonly string[],
  addresses: readonly string[],
  facts: readonly Fact[],
) {
  const [first = 'nowhere'] = addresses;
  const summary =
    addresses.length === 1
      ? `${address} is at ${first} (${reachOf(first)})`
      : `${address} is at ${addresses.length} addresses`;
  const zone = chain.map((name) => PRIVATE_LINK.exec(name)?.[1]).find((found) => found !== undefined);
  const isPublic = addresses.every((one) => reachOf(one) === 'public');
  if (zone === undefined || !isPublic) return ok(summary, facts);
  const repair: Repair[] = [
    {
      text:
        `Link the private DNS zone "${zone}" to this network (or forward it to Azure's resolver), ` +
        "or give the private endpoint's address with --upstream-address.",
    },
  ];
  return warning(`${summary}, although it has a private endpoint`, facts, repair);
}

async function findAliases(name: string, { aliasOf }: Resolving): Promise<readonly string[]> {
  const chain = [name];
  try {
    await within(ALIAS_TIMEOUT_MS, follow(chain, aliasOf), () => new Error('too slow'));
  } catch {
    // What is known by then will do.
  }
  return chain;
}

async function follow(chain: string[], aliasOf: Resolving['aliasOf']): Promise<void> {
  while (chain.length <= MAX_ALIASES) {
    const next = await aliasOf(chain.at(-1) ?? '');
    if (next === undefined || chain.includes(next)) return;
    chain.push(next);
  }
}

function aliasFacts(chain: readonly string[]): Fact[] {
  return chain.slice(1).map((name) => ({ name: 'alias of', value: name }));
}

function addressFact(address: string): Fact {
  return { name: 'address', value: `${address} (${reachOf(address)})` };
}
