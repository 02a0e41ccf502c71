import { after, before, describe } from 'node:test';
import { type Attack, type AttackOptions, startAttack } from './after-attack.ts';
import { ENTRANCES, type Entrance } from './entrances.ts';

export type EntranceName = keyof typeof ENTRANCES;

type StartAttack = (options?: AttackOptions) => Promise<Attack>;

/**
 * Declares the same tests for every kind of listener and authentication.
 *
 * @param leftOut - those that it makes no sense for, and why.
 */
export function onEachEntrance(
  declareTests: (start: StartAttack, name: EntranceName) => void,
  leftOut: Readonly<Partial<Record<EntranceName, string>>> = {},
): void {
  const names = Object.keys(ENTRANCES) as EntranceName[];
  for (const name of names.filter((one) => leftOut[one] === undefined)) {
    describe(name, () => {
      let entrance: Entrance | undefined;
      before(async () => {
        entrance = await ENTRANCES[name]();
      });
      after(() => entrance?.[Symbol.asyncDispose]());
      declareTests((options) => startAttack({ ...options, entrance }), name);
    });
  }
}
