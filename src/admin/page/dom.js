/** Whatever comes from elsewhere becomes text, by these and nothing else: never HTML, never a name. */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Readonly<Record<string, string>>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  setAll(made, attributes);
  made.append(...children);
  return made;
}

/**
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Readonly<Record<string, string>>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElementTagNameMap[Name]}
 */
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  setAll(made, attributes);
  made.append(...children);
  return made;
}

/**
 * Changes nothing that is so already: selections, focus and screen readers stay undisturbed.
 *
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * @param {Element} target
 * @param {string} name
 * @param {string} value
 */
export function set(target, name, value) {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

/**
 * The element that a template marks with `data-show`.
 *
 * @param {ParentNode} root
 * @param {string} name
 * @returns {HTMLElement}
 */
export function part(root, name) {
  const found = root.querySelector(`[data-show="${name}"]`);
  if (!(found instanceof HTMLElement)) throw new Error(`the page has no ${name}`);
  return found;
}

/**
 * Makes the children of an element those of a list, in its order, and keeps those that stay.
 *
 * @template Item
 * @param {Element} parent
 * @param {readonly Item[]} items
 * @param {Map<string, Shown<Item>>} shown - those that are there, by key; kept by the caller.
 * @param {(item: Item) => string} keyOf - unique.
 * @param {(item: Item) => Shown<Item>} create
 */
export function showList(parent, items, shown, keyOf, create) {
  const keys = new Set(items.map(keyOf));
  for (const [key, { root }] of shown) {
    if (keys.has(key)) continue;
    root.remove();
    shown.delete(key);
  }
  items.forEach((item, index) => {
    const key = keyOf(item);
    const one = shown.get(key) ?? create(item);
    shown.set(key, one);
    one.update(item);
    const there = parent.children[index] ?? null;
    if (there !== one.root) parent.insertBefore(one.root, there);
  });
}

/** @param {Element} target @param {Readonly<Record<string, string>>} attributes */
function setAll(target, attributes) {
  for (const [name, value] of Object.entries(attributes)) target.setAttribute(name, value);
}

/**
 * @template Item
 * @typedef {{ readonly root: Element, update(item: Item): void }} Shown
 */

/**
 * Says something to those who do not see it. Only for news: it interrupts.
 *
 * @param {string} text
 */
export function announce(text) {
  setText(part(document, 'announcement'), text);
}
