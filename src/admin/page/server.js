import { createCharts } from './charts.js';
import { connectionStrings } from './connection-strings.js';
import { createString } from './copying.js';
import { element, part, set, setText, showList } from './dom.js';
import { createIdentity } from './identities.js';
import { createSessions } from './sessions.js';
import { plural, roughly, visible } from './text.js';

/**
 * @import { Shown } from './dom.js'
 * @import { Charts, LastError, Reason, Server, Status } from './model.d.ts'
 * @typedef {{ readonly key: string, readonly server: Server, readonly status: Status, readonly charts: Charts }} Told
 */

/** Who said no. */
const RESULTS = new Map([
  ['refused', 'refused by the proxy'],
  ['rejected', 'refused by the server'],
  ['server_lost', 'the server was lost'],
  ['server_ended', 'ended by the server'],
  ['cut', 'cut by the proxy'],
  ['drained', 'drained'],
  ['retired', 'closed by the proxy between transactions'],
]);

let created = 0;

/**
 * All there is to see of one server.
 *
 * @param {Told} told
 * @returns {Shown<Told>}
 */
export function createServer({ server: { host } }) {
  const template = document.querySelector('template');
  const root = template?.content.firstElementChild?.cloneNode(true);
  if (!(root instanceof HTMLElement)) throw new Error('the page has no template');
  created += 1;
  const heading = part(root, 'host');
  heading.id = `server-${created}`;
  root.setAttribute('aria-labelledby', heading.id);
  setText(heading, visible(host));
  const parts = [createIdentities(root), createLogins(root), createSessions(root, host), createErrors(root)];
  const strings = createStrings(root);
  const update = (/** @type {Told} */ told) => {
    showState(root, told);
    for (const one of parts) one(told);
    strings(told);
  };
  return { root, update };
}

/** @param {HTMLElement} root @param {Told} told */
function showState(root, { server, status }) {
  const reasons = status.reasons.filter(({ server: about }) => about === undefined || about === server.host);
  const { text, state } = stateOf(server, reasons);
  const badge = part(root, 'state');
  setText(badge, text);
  set(badge, 'data-state', state);
  const where = `${server.listeners.join(', ') || 'not listening'} → ${server.upstream}`;
  setText(part(root, 'where'), visible(where));
  const list = part(root, 'reasons');
  const words = server.removed ? [] : reasons.map(({ message }) => visible(message));
  list.hidden = words.length === 0;
  if (list.textContent !== words.join(''))
    list.replaceChildren(...words.map((message) => element('li', {}, message)));
}

/** @param {Server} server @param {readonly Reason[]} reasons */
function stateOf({ removed, draining }, reasons) {
  if (removed) return { text: 'removed, its sessions end', state: 'waiting' };
  if (draining) return { text: 'draining', state: 'waiting' };
  return reasons.length === 0 ? { text: 'ready', state: 'good' } : { text: 'not ready', state: 'bad' };
}

/** @param {HTMLElement} root */
function createIdentities(root) {
  /** @type {Map<string, Shown<import('./identities.js').IdentityTold>>} */
  const shown = new Map();
  return (/** @type {Told} */ { server, status, charts }) => {
    const items = status.identities.flatMap((identity) => {
      const logins = server.logins.filter((login) => login.identity === identity.name);
      const since = charts.tokensSince[identity.name];
      return logins.length === 0 ? [] : [{ identity, logins, now: Date.parse(status.now), since }];
    });
    showList(part(root, 'identities'), items, shown, ({ identity }) => identity.name, createIdentity);
  };
}

/** @param {HTMLElement} root */
function createLogins(root) {
  const show = createCharts(part(root, 'charts'), part(root, 'scale'));
  return (/** @type {Told} */ { server, charts }) => show(charts.logins[server.host] ?? [], charts);
}

/** @param {HTMLElement} root */
function createErrors(root) {
  const list = part(root, 'errors');
  const none = element('p', { class: 'muted' }, 'None.');
  list.after(none);
  /** @type {Map<string, Shown<{ error: LastError, now: number }>>} */
  const shown = new Map();
  return (/** @type {Told} */ { server, status }) => {
    const items = server.lastErrors.map((error) => ({ error, now: Date.parse(status.now) }));
    none.hidden = items.length > 0;
    showList(list, items, shown, ({ error }) => `${error.result} ${error.class}`, createError);
  };
}

/** @returns {Shown<{ error: LastError, now: number }>} */
function createError() {
  const code = element('code');
  const what = element('span', { class: 'muted' });
  const message = element('p');
  const hint = element('p', { class: 'hint' });
  const root = element('li', {}, element('p', {}, code, ' ', what), message, hint);
  const update = (/** @type {{ error: LastError, now: number }} */ { error, now }) => {
    const who = RESULTS.get(error.result) ?? error.result;
    const when = `${roughly(now - Date.parse(error.at))} ago`;
    setText(code, visible(error.sqlState ?? 'no SQLSTATE'));
    setText(
      what,
      `${visible(who)}, ${error.count === 1 ? when : `${plural(error.count, 'time', 'times')}, last ${when}`}`,
    );
    setText(message, visible(error.message));
    setText(hint, `Hint: ${visible(error.hint)}`);
    hint.hidden = (error.hint ?? '') === '';
  };
  return { root, update };
}

/** @param {HTMLElement} root */
function createStrings(root) {
  const block = part(root, 'connect');
  const list = part(root, 'strings');
  /** @type {Map<string, Shown<import('./connection-strings.js').ConnectionString>>} */
  const shown = new Map();
  return (/** @type {Told} */ { server }) => {
    const strings = server.removed
      ? []
      : server.listeners.flatMap((listener) => connectionStrings(listener, location.hostname));
    block.hidden = strings.length === 0;
    showList(list, strings, shown, ({ text }) => text, createString);
  };
}
