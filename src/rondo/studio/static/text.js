// The text desk: its tabs, its models, and the state of the page in its address.
import { Refused, ask, link, send, tell } from "./api.js";
import { all, h, one } from "./dom.js";
import { hello } from "./text_hello.js";
import { next } from "./text_next.js";
import { write } from "./text_write.js";
import { t } from "./words.js";

const LEVELS = { character: t("字", "characters"), word: t("词", "words"), subword: t("词片", "pieces of words") };
const TABS = ["write", "next", "hello"];
const state = begun(link.read());
let models = [];

// What the address says, as far as it is of the right kind.
function begun(given) {
  const part = (name) => (given?.[name] && typeof given[name] === "object" ? given[name] : {});
  return { tab: TABS.includes(given?.tab) ? given.tab : "write", ...Object.fromEntries(TABS.map((name) => [name, part(name)])) };
}

// A part keeps its own state under its name; what is as it was at first does not stand in the address.
const keep = (name) => (values) => {
  state[name] = values;
  const told = ([key, value]) => (key === "tab" ? value !== "write" : Object.keys(value).length);
  link.write(Object.fromEntries(Object.entries(state).filter(told)));
};
const parts = {
  write: write(state.write, keep("write")),
  next: next(state.next, keep("next")),
  hello: hello(state.hello, keep("hello")),
};

function list() {
  for (const select of all("[data-models]")) {
    const chosen = select.value || select.dataset.wanted;
    const known = models.some((model) => model.id === chosen);
    select.replaceChildren(
      ...models.map((m) => h("option", { value: m.id, selected: m.id === chosen }, m.level ? `${named(m)} · ${m.symbols.toLocaleString()} ${LEVELS[m.level]}` : named(m))),
      ...(known || !chosen ? [] : [h("option", { value: chosen, selected: true }, t("已关上的模型文件", "a model file that is no longer open"))]),
    );
  }
}

const named = (m) => ({ english: t("英文", "English"), chinese: t("中文", "Chinese") })[m.id] ?? m.name;

// One's own model: sent to the studio on this machine, read there, never executed.
const file = one("#file");
all("[data-open]").forEach((button) => button.addEventListener("click", () => file.click()));
file.addEventListener("change", async () => {
  const [chosen] = file.files;
  if (!chosen) return;
  const said = one("#said");
  tell(one("#fault"), null);
  said.textContent = t(`正在读 ${chosen.name} …`, `reading ${chosen.name} …`);
  try {
    if (chosen.size > 32 << 20) throw new Refused(t("这个文件太大：最多 32 MB", "this file is too large: at most 32 MB"));
    const model = await send(`text/model?name=${encodeURIComponent(chosen.name)}`, chosen);
    models = [...models.filter((m) => m.id !== model.id), model];
    list();
    said.textContent = t(`已打开 ${model.name}：${model.weights.toLocaleString()} 个参数`, `${model.name} is open: ${model.weights.toLocaleString()} parameters`);
    parts.write.use(model.id);
  } catch (error) {
    said.textContent = "";
    tell(one("#fault"), error);
  } finally {
    file.value = "";
  }
});

// tabs (frame.js shows and hides them): a part asks when it is first seen
const tabs = TABS.map((name) => one(`#tab-${name}`));
const seen = () => {
  const tab = TABS[tabs.findIndex((button) => button.getAttribute("aria-selected") === "true")];
  keep("tab")(tab);
  parts[tab].show();
};
new MutationObserver(seen).observe(one('[role="tablist"]'), { attributes: true, subtree: true, attributeFilter: ["aria-selected"] });

for (const select of all("[data-models]")) select.append(h("option", { value: select.dataset.wanted, selected: true }, named({ id: select.dataset.wanted, name: "…" })));
if (state.tab !== "write") one(`#tab-${state.tab}`).click();
else parts.write.show();
ask("text/models").then((found) => { models = [...found, ...models]; list(); }, (error) => tell(one("#fault"), error));
