import { ProxyError } from '../errors.ts';
import { describeError } from '../log.ts';

/** What is looked at, in the order in which it is told. Scripts know these names: they stay as they are. */
export type StepId =
  | 'dns'
  | 'tcp'
  | 'ssl-request'
  | 'tls'
  | 'credential'
  | 'claims'
  | 'login'
  | 'role'
  | 'server'
  | 'local-port';

export type StepStatus = 'ok' | 'warning' | 'failed' | 'skipped';

/** One thing that was seen. */
export interface Fact {
  readonly name: string;
  readonly value: string;
}

/** What to do: in words, or as SQL to paste. */
export type Repair = { readonly text: string } | { readonly sql: string };

/** What came of a step. No text in it holds a secret, but all of them may hold what strangers wrote. */
export interface Finding {
  readonly status: StepStatus;
  readonly summary: string;
  readonly facts: readonly Fact[];
  readonly repair: readonly Repair[];
}

export interface Step extends Finding {
  readonly id: StepId;
  /** The server's name. */
  readonly server: string;
  /** Whose login it is about, if not everybody's: the user name that clients give. */
  readonly clientUser: string | undefined;
}

/** A finding, and what the next steps build on: if that is undefined, there is nothing that they could do. */
export interface Checked<T> {
  readonly finding: Finding;
  readonly result?: T | undefined;
}

export function ok(summary: string, facts: readonly Fact[] = []): Finding {
  return { status: 'ok', summary, facts, repair: [] };
}

export function warning(summary: string, facts: readonly Fact[], repair: readonly Repair[]): Finding {
  return { status: 'warning', summary, facts, repair };
}

export function failed(summary: string, facts: readonly Fact[], repair: readonly Repair[]): Finding {
  return { status: 'failed', summary, facts, repair };
}

/** Not looked at, and why. */
export function skipped(summary: string): Finding {
  return { status: 'skipped', summary, facts: [], repair: [] };
}

/** An error as a finding: its message is what was seen, its hint the repair. */
export function failedBy(error: unknown, facts: readonly Fact[] = []): Finding {
  if (!(error instanceof ProxyError)) return failed(describeError(error), facts, []);
  const { hint } = error;
  return failed(describeError(error, 0), facts, hint === undefined ? [] : [{ text: hint }]);
}
