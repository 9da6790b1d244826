// Who answers whom: a word, and those that it looks at or that look at it, tinted by the weight.
import { all, one } from "./dom.js";
import { t } from "./words.js";
import { light, percent, strongest } from "./translation_text.js";

export function clear() {
  for (const word of all(".lit, .at", one(".columns"))) {
    word.classList.remove("lit", "strong", "at");
    word.style.removeProperty("--a");
  }
}

// c: the translation that is shown of sentence n; k: the word on `side`
export function answer(side, n, k, c) {
  clear();
  const [mine, theirs] = [one(`#${side === "source" ? "mirror" : "target"} .word[data-n="${n}"][data-${side === "source" ? "i" : "j"}="${k}"]`), all(`#${side === "source" ? "target" : "mirror"} .word[data-n="${n}"]`)];
  mine?.classList.add("at");
  const weights = theirs.map((_, m) => (side === "source" ? c.alignment[m]?.[k] : c.alignment[k]?.[m]) ?? 0);
  theirs.forEach((word, m) => light(word, weights[m]));
  const names = strongest(weights).map(([m, p]) => `${theirs[m].textContent} ${percent(p)}`).join(t("、", ", "));
  one("#aligned").textContent = mine ? `${mine.textContent} ${side === "source" ? "→" : "←"} ${names || t("（不看着哪个词）", "(no word)")}` : "";
}

// The word of the source under the pointer: the field lies above it.
export const pointed = (event) => document.elementsFromPoint(event.clientX, event.clientY).find((e) => e.matches?.("#mirror .word"));
