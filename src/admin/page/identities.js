import { element, set, setText, svg } from './dom.js';
import { roughly, span, visible } from './text.js';

/**
 * @import { Shown } from './dom.js'
 * @import { Identity, Login } from './model.d.ts'
 * @typedef {{
 *   readonly identity: Identity,
 *   readonly logins: readonly Login[],
 *   readonly now: number,
 *   readonly since: string | undefined,
 * }} IdentityTold
 */

/** Where nobody knows since when a token is there: most live that long, in milliseconds. */
const USUAL_LIFE_MS = 3_600_000;

const RADIUS = 42;
const ROUND = 2 * Math.PI * RADIUS;

/**
 * One identity: a ring that says how much is left of its token, and whom it is for.
 *
 * @returns {Shown<IdentityTold>}
 */
export function createIdentity() {
  const ring = createRing();
  const facts = createFacts(['Token', 'Next refresh', 'Credential', 'Logs in']);
  const trouble = element('p', { class: 'trouble' });
  const hint = element('p', { class: 'hint' });
  const root = element(
    'div',
    { class: 'identity' },
    ring.root,
    element('div', {}, facts.root, trouble, hint),
  );
  const update = (/** @type {IdentityTold} */ told) => {
    const { identity, logins, now } = told;
    const { lastError, nextRefreshAt, credential } = identity;
    ring.update(told);
    facts.update([
      tokenWords(identity, now),
      nextRefreshAt === null ? 'not planned' : inWords(Date.parse(nextRefreshAt) - now),
      visible(credential),
      logins.map(describeLogin).join('; '),
    ]);
    trouble.hidden = lastError === null;
    setText(
      trouble,
      lastError === null
        ? ''
        : `Last refresh failed: ${visible(`${lastError.sqlState} ${lastError.message}`)}`,
    );
    hint.hidden = (lastError?.hint ?? '') === '';
    setText(hint, `Hint: ${visible(lastError?.hint ?? '')}`);
  };
  return { root, update };
}

/** @returns {Shown<IdentityTold>} */
function createRing() {
  const arc = circle('ring-left');
  const mark = svg('line', { class: 'ring-mark', x1: '50', y1: '2', x2: '50', y2: '14' });
  const amount = svg('text', { class: 'ring-amount', x: '50', y: '52', 'text-anchor': 'middle' });
  const unit = svg('text', { class: 'ring-unit', x: '50', y: '68', 'text-anchor': 'middle' });
  const root = svg(
    'svg',
    { class: 'ring', viewBox: '0 0 100 100', role: 'img' },
    circle('ring-all'),
    arc,
    mark,
    amount,
    unit,
  );
  const update = (/** @type {IdentityTold} */ { identity, now, since }) => {
    const { token, tokenExpiresAt, nextRefreshAt } = identity;
    const expiry = tokenExpiresAt === null ? now : Date.parse(tokenExpiresAt);
    const leftMs = Math.max(0, expiry - now);
    const lifeMs = since === undefined ? Math.max(USUAL_LIFE_MS, leftMs) : expiry - Date.parse(since);
    const left = share(leftMs, lifeMs);
    set(root, 'data-state', token === 'usable' ? 'good' : token === 'expired' ? 'bad' : 'waiting');
    set(root, 'aria-label', tokenWords(identity, now, roughly));
    set(arc, 'stroke-dasharray', `${(left * ROUND).toFixed(1)} ${ROUND.toFixed(1)}`);
    set(arc, 'visibility', left > 0 ? 'visible' : 'hidden');
    const refresh = nextRefreshAt === null ? 0 : share(expiry - Date.parse(nextRefreshAt), lifeMs);
    set(mark, 'transform', `rotate(${(refresh * 360).toFixed(1)} 50 50)`);
    set(mark, 'visibility', refresh > 0 && leftMs > 0 ? 'visible' : 'hidden');
    const [number = '', name = ''] = leftMs > 0 ? roughly(leftMs).split(' ') : ['–'];
    setText(amount, number);
    setText(unit, name);
  };
  return { root, update };
}

/** From the top, clockwise. @param {string} name */
function circle(name) {
  return svg('circle', {
    class: name,
    cx: '50',
    cy: '50',
    r: String(RADIUS),
    transform: 'rotate(-90 50 50)',
  });
}

/** @param {readonly string[]} names */
function createFacts(names) {
  const values = names.map(() => element('dd'));
  const rows = names.map((name, index) => element('div', {}, element('dt', {}, name), values[index] ?? ''));
  const update = (/** @type {readonly string[]} */ texts) =>
    values.forEach((value, index) => setText(value, texts[index] ?? ''));
  return { root: element('dl', {}, ...rows), update };
}

/** @param {Identity} identity @param {number} now @param {(ms: number) => string} [tell] */
function tokenWords({ token, tokenExpiresAt }, now, tell = span) {
  if (tokenExpiresAt === null) return token === 'usable' ? 'usable' : 'none yet';
  const leftMs = Date.parse(tokenExpiresAt) - now;
  return token === 'usable' ? `usable for ${tell(leftMs)}` : `expired ${tell(-leftMs)} ago`;
}

/** @param {number} ms */
function inWords(ms) {
  return ms > 0 ? `in ${span(ms)}` : 'now';
}

/** @param {Login} login */
function describeLogin({ clientUser, role }) {
  const who = clientUser === null ? '' : `client user ${visible(clientUser)} `;
  return `${who}as ${role === null ? 'a role that is not known yet' : visible(role)}`;
}

/** @param {number} part @param {number} all */
function share(part, all) {
  return all > 0 ? Math.min(1, Math.max(0, part / all)) : 0;
}
