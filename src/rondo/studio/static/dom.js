// Elements: h("p", {class: "quiet", onclick: f}, "text", child), svg("circle", {r: 3}), one("#id").
export const one = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const h = (tag, attributes = {}, ...children) => made(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) =>
  made(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith("aria-")) element.setAttribute(name, value);
    else if (name === "style") for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((c) => c != null && c !== false));
  return element;
}

// A list of radio buttons or options made from [value, label] pairs.
export const options = (pairs, chosen) =>
  pairs.map(([value, label]) => h("option", { value, selected: value === chosen }, label));

// Waits until typing has paused.
export function paused(milliseconds, action) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...args), milliseconds);
  };
}

export async function copy(text, button) {
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else by_hand(text); // a page from another machine over plain http has no clipboard
  const before = button.textContent;
  button.textContent = "✓ " + before;
  setTimeout(() => (button.textContent = before), 1200);
}

function by_hand(text) {
  const held = h("textarea", {});
  held.value = text;
  document.body.append(held);
  held.select();
  document.execCommand("copy");
  held.remove();
}

export function save(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
