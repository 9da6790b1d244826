// What stands below the columns: the translations of a sentence, or the ways that there are at one of its words; and the
// page's examples.
import { h } from "./dom.js";
import { t } from "./words.js";
import { percent } from "./translation_text.js";

const LETTER = "Bonjour, Marie !\n\nVeux-tu venir avec nous samedi ? Voici notre plan.\n\n  - Nous mangerons au restaurant.\n  - Nous irons au cinéma.\n  - Tom chantera avec nous.\n\nÀ bientôt !\n";
export const EXAMPLES = {
  fr: [
    [t("课上那一句", "the lecture's sentence"), "Voulez-vous chanter avec moi ?"],
    [t("生僻的名字", "names it does not know"), "Hier, j'ai rencontré Hermione Granger et Harry Potter."],
    [t("一封信", "a letter"), LETTER],
    [t("用词表", "with a glossary"), "Le président n'aime pas la confiture.", [["président", "chair"], ["la confiture", "marmalade"]]],
  ],
  en: [[t("课上那一句", "the lecture's sentence"), "Do you want to sing with me?"]],
  zh: [[t("课上那一句", "the lecture's sentence"), "你想和我一起唱歌吗？"]],
};
export const NAMES = { fr: t("法语", "French"), en: t("英语", "English"), zh: t("中文", "Chinese"), de: t("德语", "German") };

// A translation in the strip.
export const film = (c, pressed, lang, take) => h("li", {}, h("button", { type: "button", class: "pick", "aria-pressed": pressed, onclick: take },
  h("span", { class: "serif", lang }, c.text), h("span", { class: "quiet score" }, c.score.toFixed(2))));

export const tail = (text) => (text.length > 40 ? "…" + text.slice(-38) : text);

// A word that may come behind `before`, with how the translation goes on; now: the word that stands there.
export function way(c, now, before, go) {
  const rest = c.candidate.text.slice(c.prefix.length), bar = h("i"), current = c.word === now;
  bar.style.width = `${100 * c.p}%`;
  const word = c.word || t("（到此为止）", "(ends here)");
  return h("li", {}, h("button", { type: "button", class: "choice", ...(current ? { "aria-current": "true" } : {}), "aria-label": `${word}, ${percent(c.p)}: ${c.candidate.text}`, onclick: () => go(c) },
    h("span", { class: "choice-word serif" }, word), h("span", { class: "meter", "aria-hidden": "true" }, bar), h("span", { class: "number" }, percent(c.p)),
    h("span", { class: "serif on" }, h("span", { class: "quiet" }, tail(before), before ? " " : ""), h("b", {}, c.word), rest), current ? h("span", { class: "quiet now" }, t("现在", "now")) : null));
}
