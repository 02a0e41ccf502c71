import { ProxyError, SqlState } from '../errors.ts';
import type { Claims } from './claims.ts';
import type { EntraCredentialName } from './credentials.ts';
import type { AccessToken, TokenSource } from './token-source.ts';

type MemberName = Exclude<EntraCredentialName, 'default'>;

/**
 * The order of DefaultAzureCredential, with the names that AZURE_TOKEN_CREDENTIALS takes. Visual Studio
 * Code and the broker are left out: they need plugins that are not part of this program.
 *
 * @see https://learn.microsoft.com/azure/developer/javascript/sdk/authentication/credential-chains
 */
const MEMBERS: readonly { readonly className: string; readonly group: string; readonly name: MemberName }[] =
  [
    { className: 'environmentcredential', group: 'prod', name: 'environment' },
    { className: 'workloadidentitycredential', group: 'prod', name: 'workload-identity' },
    { className: 'managedidentitycredential', group: 'prod', name: 'managed-identity' },
    { className: 'azureclicredential', group: 'dev', name: 'azure-cli' },
    { className: 'azurepowershellcredential', group: 'dev', name: 'azure-powershell' },
    { className: 'azuredeveloperclicredential', group: 'dev', name: 'azure-developer-cli' },
  ];

/** A credential that was passed over, and why. */
interface PassedOver {
  readonly name: MemberName;
  readonly reason: string;
}

/** Told once for each walk that ends well: who won, and who did not. */
export type OnChosen = (winner: MemberName, passedOver: readonly PassedOver[]) => void;

/**
 * The first credential that works on this machine. Once found it is used directly, because each walk
 * costs a second of probing and a process or two; only when it is gone the others are tried again.
 */
export class DefaultChain implements TokenSource {
  readonly #createMember: (name: MemberName) => TokenSource;
  readonly #onChosen: OnChosen;
  #winner: TokenSource | undefined;

  constructor(createMember: (name: MemberName) => TokenSource, onChosen: OnChosen) {
    this.#createMember = createMember;
    this.#onChosen = onChosen;
  }

  get name(): string {
    return this.#winner === undefined ? 'default' : `default: ${this.#winner.name}`;
  }

  async fetchToken(signal: AbortSignal): Promise<AccessToken> {
    if (this.#winner === undefined) return this.#walk(signal);
    try {
      return await this.#winner.fetchToken(signal);
    } catch (error) {
      // It has worked before, and may again: one that cannot be reached now is not gone.
      if (!isUnavailable(error) || isTransient(error)) throw error;
      this.#winner = undefined;
      return this.#walk(signal);
    }
  }

  /** Asks the credential that the last token is from, and no other. */
  async fetchManagementClaims(signal: AbortSignal): Promise<Claims | undefined> {
    return this.#winner?.fetchManagementClaims?.(signal);
  }

  async #walk(signal: AbortSignal): Promise<AccessToken> {
    const passedOver: PassedOver[] = [];
    for (const { name } of chosenMembers(process.env['AZURE_TOKEN_CREDENTIALS'])) {
      const member = this.#createMember(name);
      try {
        const token = await member.fetchToken(signal);
        this.#winner = member;
        this.#onChosen(name, passedOver);
        return token;
      } catch (error) {
        signal.throwIfAborted();
        // One that is set up and fails (a wrong secret, Entra out of reach) is not passed over in silence.
        if (!isUnavailable(error)) throw error;
        passedOver.push({ name, reason: shortReason(error) });
      }
    }
    throw noneWorks(passedOver);
  }
}

/** @throws {@link ProxyError} 28000 for a value that stands for none of them. */
function chosenMembers(choice: string | undefined): typeof MEMBERS {
  const wanted = choice?.trim().toLowerCase() ?? '';
  if (wanted === '') return MEMBERS;
  const members = MEMBERS.filter(({ className, group }) => wanted === className || wanted === group);
  if (members.length > 0) return members;
  throw new ProxyError(
    SqlState.invalidAuthorization,
    'AZURE_TOKEN_CREDENTIALS names no credential of this program',
    {
      hint: 'It takes prod, dev, or one of EnvironmentCredential, WorkloadIdentityCredential, ManagedIdentityCredential, AzureCliCredential, AzurePowerShellCredential, AzureDeveloperCliCredential.',
    },
  );
}

/** Whether a failure may pass by itself. */
function isTransient(error: unknown): boolean {
  return error instanceof ProxyError && error.sqlState === SqlState.cannotConnectNow;
}

/** Whether a credential is not set up here, as @azure/identity says it, rather than refused. */
function isUnavailable(error: unknown): boolean {
  const cause = error instanceof ProxyError ? error.cause : undefined;
  const name = cause instanceof Error ? cause.name : '';
  return name === 'CredentialUnavailableError' || name === 'AuthenticationRequiredError';
}

const MAX_REASON_LENGTH = 120;

/** The first sentence behind the credential's name. */
function shortReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const [first = ''] = message.replace(/^no token from the credential "[\w-]+": /, '').split(/\.(?= |$)/, 1);
  return first.replace(/^\w+Credential: /, '').slice(0, MAX_REASON_LENGTH);
}

function noneWorks(passedOver: readonly PassedOver[]): ProxyError {
  const reasons = passedOver.map(({ name, reason }) => `${name} (${reason})`).join(', ');
  return new ProxyError(SqlState.invalidAuthorization, `no credential works on this machine: ${reasons}`, {
    hint: 'Run az login on this machine, or name the credential to use with --credential.',
  });
}
