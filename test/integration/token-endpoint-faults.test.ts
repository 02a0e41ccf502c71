import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startCredentialBench } from '../support/credentials.ts';
import {
  countSilentFailures,
  startApplicationProxy,
  startEntraFor,
  tokenLines,
} from '../support/fault-programs.ts';
import { createFaultSwitch, FAULTS } from '../support/faults.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

/** How many logins are made while the endpoint is out of order. */
const LOGINS = 10;

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

const IS_OUT_OF_ORDER = {
  message:
    /^cannot reach Microsoft Entra at https:\S+ \(environment\): AADSTS90033: A transient error has occurred\. Please try again\.$/,
  hint: /try again/,
};
const UNREADABLE = {
  message: /^cannot reach Microsoft Entra .*the answer cannot be read/,
  hint: /try again/,
};

/** What clients without a token are told. */
const WORDS: Readonly<Record<keyof typeof FAULTS, { readonly message: RegExp; readonly hint: RegExp }>> = {
  'answers 500': IS_OUT_OF_ORDER,
  'answers 503': IS_OUT_OF_ORDER,
  'answers 429 without a time': IS_OUT_OF_ORDER,
  'answers 503 with a page': { message: /^cannot reach Microsoft Entra .*503/, hint: /try again/ },
  'resets every connection': { message: /^cannot reach Microsoft Entra .*ECONNRESET/, hint: /network/ },
  'answers with JSON that is cut off': UNREADABLE,
  'answers with JSON without a token': {
    message: /^cannot reach Microsoft Entra .*Response had no/,
    hint: /try again/,
  },
  'gives a token that has expired': {
    message: /^the credential "environment" gave a token that has already expired$/,
    hint: /clock/,
  },
};

describe('a token endpoint that is out of order', { concurrency: 8 }, () => {
  for (const [what, fault] of Object.entries(FAULTS)) {
    test(`${what}: who needs a token is told so, who has one notices nothing, and it passes by itself`, async () => {
      // Asked for anew after a second; the token in hand outlives the test by far.
      await using entra = await startEntraFor(bench, what, { refreshInSeconds: 1 });
      const outage = createFaultSwitch(entra);
      outage.on(fault);
      await using proxy = await startApplicationProxy(bench, entra, what);
      const { message, hint } = WORDS[what as keyof typeof WORDS];
      const refusal = await refusedLogin(proxy.port);
      assert.equal(refusal.code, '57P03');
      assert.match(refusal.message, message);
      assert.match(refusal.hint ?? '', hint);

      outage.off();
      await until('a login', () => proxy.letsIn());
      assert.equal(tokenLines(proxy.program, 'error').length, 1);
      assert.equal(tokenLines(proxy.program, 'info').length, 1);

      const silent = countSilentFailures(proxy.program);
      outage.on(fault);
      await until('a refresh that fails', () => tokenLines(proxy.program, 'warn').length === 1);
      const requests = entra.requests;
      const met = outage.met;
      for (let login = 0; login < LOGINS; login += 1) assert.equal(await proxy.whoAmI(), what);
      await until('another failure', () => countSilentFailures(proxy.program) > silent);
      assert.equal(entra.requests - requests, outage.met - met, 'a token came during the outage');
      const [line] = tokenLines(proxy.program, 'warn');
      assert.match(String(line?.['msg']), /logins go on with the one valid until/);

      outage.off();
      await until('the end of it in the log', () => tokenLines(proxy.program, 'info').length === 2);
      assert.equal(await proxy.whoAmI(), what);
      assert.equal(tokenLines(proxy.program, 'warn').length, 1);
      assert.equal(tokenLines(proxy.program, 'error').length, 1);
    });
  }
});
