// The interface read from its own OpenAPI description: every route, its fields, and a place to try it.
import { h, one } from "./dom.js";
import { t } from "./words.js";

const description = await (await fetch("/api/openapi.json")).json();
const resolve = (schema) => (schema?.$ref ? description.components.schemas[schema.$ref.split("/").at(-1)] : schema ?? {});
const kind = (schema) => {
  const found = resolve(schema);
  if (schema?.$ref) return schema.$ref.split("/").at(-1);
  if (found.anyOf) return found.anyOf.map(kind).join(" | ");
  return found.type === "array" ? `${kind(found.items)}[]` : found.enum ? found.enum.map((v) => JSON.stringify(v)).join(" | ") : found.type ?? "any";
};
const limits = (s) => [s.minimum != null && `≥ ${s.minimum}`, s.maximum != null && `≤ ${s.maximum}`, s.maxLength != null && t(`最多 ${s.maxLength} 字`, `at most ${s.maxLength} characters`)].filter(Boolean).join(", ");

function fields(schema) {
  const rows = Object.entries(resolve(schema).properties ?? {}).map(([name, s]) => h("tr", {}, h("td", { class: "mono" }, name), h("td", { class: "mono" }, kind(s)),
    h("td", { class: "mono" }, s.default === undefined ? "" : JSON.stringify(s.default)), h("td", {}, [s.description, limits(resolve(s))].filter(Boolean).join("; "))));
  return rows.length ? h("div", { class: "scroll" }, h("table", {}, h("tr", {}, [t("字段", "field"), t("类型", "type"), t("默认", "default"), t("说明", "what")].map((w) => h("th", {}, w))), rows)) : null;
}

const example = (schema) => Object.fromEntries(Object.entries(resolve(schema).properties ?? {}).filter(([name]) => (resolve(schema).required ?? []).includes(name)).map(([name, s]) => [name, resolve(s).type === "array" ? [] : resolve(s).type === "object" ? {} : ""]));

function trial(path, schema) {
  const body = h("textarea", { rows: 3, "aria-label": t("请求正文", "request body"), spellcheck: "false" }, JSON.stringify(example(schema), null, 1)), answer = h("pre", { hidden: true, tabindex: 0 });
  const send = async () => {
    answer.hidden = false;
    answer.textContent = "…";
    const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: body.value });
    const text = await response.text();
    try { answer.textContent = `${response.status}\n${JSON.stringify(JSON.parse(text), null, 1)}`; } catch { answer.textContent = `${response.status}\n${text}`; }
  };
  return h("div", { class: "stack" }, body, h("div", {}, h("button", { type: "button", class: "small", onclick: send }, t("试一试", "Try it"))), answer);
}

one("#routes").replaceChildren(...Object.entries(description.paths).flatMap(([path, verbs]) => Object.entries(verbs).map(([verb, route]) => {
  const schema = route.requestBody?.content?.["application/json"]?.schema;
  return h("details", { class: "route card" }, h("summary", {}, h("span", { class: `verb ${verb}` }, verb.toUpperCase()), h("code", {}, path), h("span", { class: "quiet" }, route.description ?? route.summary)),
    schema && h("h3", {}, kind(schema)), schema && fields(schema), verb === "post" && schema && !path.includes("{") && trial(path, schema));
})));
