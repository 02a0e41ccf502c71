import type { ListenAddress } from '../proxy/server.ts';
import type { Upstream } from '../upstream/dial.ts';
import { type ClaimsWanted, checkClaims, type Owner } from './claims.ts';
import { type Credential, checkCredential, type Granted } from './credential.ts';
import { checkDns, type Resolving } from './dns.ts';
import { checkLocalPort } from './local-port.ts';
import { checkLogin, type LoginTarget } from './login.ts';
import type { QuerySession } from './query-session.ts';
import { checkAbsentRole, checkRole } from './role.ts';
import { checkServer } from './server.ts';
import { checkSslRequest } from './ssl-request.ts';
import { type Checked, failedBy, type Step, type StepId, skipped } from './step.ts';
import { checkTcp } from './tcp.ts';
import { checkTls } from './tls.ts';

/** Whom clients log in as. */
export interface Login extends ClaimsWanted {
  /** The user name that clients give; undefined: all others. */
  readonly clientUser: string | undefined;
  readonly credential: Credential;
}

/** One server, and all that is configured for it. */
export interface Target extends LoginTarget {
  readonly server: string;
  /** That of most clients first. */
  readonly logins: readonly [Login, ...Login[]];
  /** Client users that log in as themselves. */
  readonly passedThrough: readonly string[];
  readonly listen: readonly ListenAddress[];
}

export interface CheckDeps {
  readonly resolving: Resolving;
  /** Tells what only a person can do, such as entering a code. */
  readonly tellUser: (message: string) => void;
  /** Told before a step is looked at. */
  readonly onBegin: (id: StepId) => void;
}

/** The library for tokens keeps this process busy while it is loaded, and so the network would seem slow. */
const HEAD_START_MS = 1_000;

/** A login that succeeded. */
interface Session {
  readonly queries: QuerySession;
  readonly role: string;
}

/** Looks at one server, step by step. Steps that build on one that failed are skipped; the others are not. */
export class ServerCheck {
  readonly #target: Target;
  readonly #deps: CheckDeps;
  /** By what they are made of: logins may share one, which is asked, and told of, once. */
  readonly #credentials = new Map<string, Promise<Checked<Granted>>>();
  readonly #told = new Set<string>();

  constructor(target: Target, deps: CheckDeps) {
    this.#target = target;
    this.#deps = deps;
  }

  async *run(): AsyncGenerator<Step> {
    const [main, ...others] = this.#target.logins;
    const isReached = yield* this.#network();
    const session = yield* this.#login(main, isReached, undefined);
    try {
      yield* this.#tell('server', undefined, async () =>
        session === undefined
          ? needs('a login')
          : { finding: await checkServer(session.queries, session.role) },
      );
      for (const login of others) {
        const own = yield* this.#login(login, isReached, session?.queries);
        own?.queries.close();
      }
    } finally {
      session?.queries.close();
    }
    for (const clientUser of this.#target.passedThrough)
      yield* this.#tell('login', clientUser, () => PASSED_THROUGH);
    const { listen } = this.#target;
    yield* this.#tell('local-port', undefined, async () => ({ finding: await checkLocalPort(listen) }));
  }

  /**
   * The first token is asked for meanwhile, if it takes long.
   *
   * @returns whether logins can be tried.
   */
  async *#network(): AsyncGenerator<Step, boolean> {
    const { upstream, logins } = this.#target;
    const timer = setTimeout(() => void this.#grant(logins[0]), HEAD_START_MS);
    try {
      return yield* this.#connect(upstream);
    } finally {
      clearTimeout(timer);
    }
  }

  async *#connect(upstream: Upstream): AsyncGenerator<Step, boolean> {
    const addresses = yield* this.#tell('dns', undefined, () => checkDns(upstream, this.#deps.resolving));
    const isOpen = yield* this.#tell('tcp', undefined, () =>
      addresses === undefined ? needs('an address') : checkTcp(upstream, addresses),
    );
    const isServer = yield* this.#tell('ssl-request', undefined, () =>
      isOpen === undefined ? needs('a connection') : checkSslRequest(upstream),
    );
    const isVerified = yield* this.#tell('tls', undefined, () =>
      isServer === undefined ? needs('a server that offers it') : checkTls(upstream),
    );
    return isVerified === true;
  }

  /** @param eyes - a session of another role, to see what is the matter with one that cannot log in. */
  async *#login(
    login: Login,
    isReached: boolean,
    eyes: QuerySession | undefined,
  ): AsyncGenerator<Step, Session | undefined> {
    const { clientUser } = login;
    const granted = yield* this.#credential(login);
    const owner = yield* this.#owner(login, granted);
    const queries = yield* this.#tell('login', clientUser, () => {
      if (!isReached) return needs('TLS with the server');
      if (granted === undefined || owner === undefined) return needs('a token and a role');
      return checkLogin(this.#target, owner, granted.token);
    });
    const claims = granted?.token.claims;
    yield* this.#tell('role', clientUser, async () => {
      const seen = queries ?? eyes;
      if (seen === undefined || owner === undefined) return needs('a login');
      const look = queries === undefined ? checkAbsentRole : checkRole;
      return { finding: await look(seen, owner.role, claims) };
    });
    return queries === undefined || owner === undefined ? undefined : { queries, role: owner.role };
  }

  async *#credential(login: Login): AsyncGenerator<Step, Granted | undefined> {
    const key = keyOf(login);
    const checked = this.#grant(login);
    if (this.#told.has(key)) return (await checked).result;
    this.#told.add(key);
    return yield* this.#tell('credential', login.clientUser, () => checked);
  }

  /** Of a token that has been told of already, only what is wrong is told again. */
  async *#owner(login: Login, granted: Granted | undefined): AsyncGenerator<Step, Owner | undefined> {
    const { clientUser } = login;
    if (granted === undefined) return yield* this.#tell('claims', clientUser, () => needs('a token'));
    const checked = await checkClaims(granted, login);
    const isKnown = this.#told.has(`claims ${keyOf(login)}`) && checked.result !== undefined;
    this.#told.add(`claims ${keyOf(login)}`);
    return isKnown ? checked.result : yield* this.#tell('claims', clientUser, () => checked);
  }

  #grant(login: Login): Promise<Checked<Granted>> {
    const key = keyOf(login);
    const granted = this.#credentials.get(key) ?? checkCredential(login.credential, this.#deps.tellUser);
    this.#credentials.set(key, granted);
    return granted;
  }

  async *#tell<T>(
    id: StepId,
    clientUser: string | undefined,
    look: () => Checked<T> | Promise<Checked<T>>,
  ): AsyncGenerator<Step, T | undefined> {
    this.#deps.onBegin(id);
    const { finding, result } = await tryToLook(look);
    yield { id, server: this.#target.server, clientUser, ...finding };
    return result;
  }
}

/** What nobody has thought of fails its step, and no other. */
async function tryToLook<T>(look: () => Checked<T> | Promise<Checked<T>>): Promise<Checked<T>> {
  try {
    return await look();
  } catch (error) {
    return { finding: failedBy(error) };
  }
}

const PASSED_THROUGH: Checked<never> = {
  finding: skipped('logs in as itself, with a password of its own, which only its client knows'),
};

function needs(what: string): Checked<never> {
  return { finding: skipped(`needs ${what}`) };
}

function keyOf({ credential }: Login): string {
  return JSON.stringify(credential);
}
