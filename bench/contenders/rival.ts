import { findListener, isListening } from '../linux/listeners.ts';
import type { Contender, Upstream } from './contender.ts';

/** A program that somebody else started: which of its ports leads to which upstream. */
export interface Rival {
  readonly name: string;
  readonly ports: Readonly<Partial<Record<Upstream['kind'], number>>>;
}

export function rivalContender({ name, ports }: Rival): Contender {
  return {
    name,
    kind: 'peer',
    async start({ kind }, stage) {
      const port = ports[kind];
      if (port === undefined) return undefined;
      if (!(await isListening(port))) throw new Error(`nothing listens on port ${port}`);
      const pid = await findListener(port);
      const target = stage.target(port);
      return { name, target, pid, startMs: undefined, async [Symbol.asyncDispose]() {} };
    },
  };
}
