// The door: logging in, and setting a password of one's own.
import { ask, tell } from "./api.js";
import { all, one } from "./dom.js";
import { t } from "./words.js";

const HOME = "/course", TABLE = "/classroom/overview", PASSWORD = "/classroom/password";
const fault = one("#fault"), go = one("#go"), label = go.textContent;

// Where to go then: a page of this server, nothing else.
function wanted(me) {
  const home = me.teacher ? TABLE : HOME, to = new URLSearchParams(location.search).get("to");
  if (!to) return home;
  const found = new URL(to, location.origin);
  return found.origin === location.origin && !found.pathname.startsWith("/classroom/login") ? found.pathname + found.hash : home;
}

function enter(me) {
  location.replace(me.first ? `${PASSWORD}${location.search}` : wanted(me));
}

// Too many tries: the button says how long to wait.
function wait(seconds) {
  go.disabled = seconds > 0;
  go.textContent = seconds > 0 ? t(`请等 ${seconds} 秒`, `wait ${seconds} s`) : label;
  if (seconds > 0) setTimeout(wait, 1000, seconds - 1);
}

async function send(path, body, then) {
  go.disabled = true;
  tell(fault, null);
  try {
    then(await ask(path, body));
  } catch (error) {
    go.disabled = false;
    const seconds = /(\d+) (秒|seconds)/.exec(error.message);
    if (seconds) wait(Number(seconds[1]));
    one("#password").select();
    tell(fault, error);
  }
}

one("#reveal").addEventListener("change", (event) => {
  for (const field of all("#password, #new, #again")) field.type = event.target.checked ? "text" : "password";
});

one("#log-in")?.addEventListener("submit", (event) => {
  event.preventDefault();
  send("class/log-in", { number: one("#number").value.trim(), password: one("#password").value }, enter);
});

if (one("#change")) {
  ask("class/me").then((me) => {
    one("#who").textContent = `${me.name} ${me.number}`;
    one("#number").value = me.number;
    one("#back").hidden = me.first;
    one("#back").href = wanted(me);
  }).catch((error) => tell(fault, error));
  one("#change").addEventListener("submit", (event) => {
    event.preventDefault();
    const again = one("#again");
    again.setCustomValidity(again.value === one("#new").value ? "" : t("两次写的不一样", "the two are not the same"));
    if (!again.reportValidity()) return;
    send("class/password", { old: one("#password").value, new: one("#new").value }, enter);
  });
  one("#again").addEventListener("input", (event) => event.target.setCustomValidity(""));
}
