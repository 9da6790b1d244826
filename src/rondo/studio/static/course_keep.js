// Answers on their way to the server. What is typed lies in the browser at once, and leaves it when the server has it:
// nothing is lost where the server is away, or the page is closed.
import { ask } from "./api.js";

const WAIT = 500, AGAIN = 4000; // milliseconds until typing has paused; until it is tried again

// student, experiment: whose drafts; told(part, answer, {state: "typing" | "kept" | "away" | "refused", time, message}).
export function keeper(student, experiment, told) {
  const drafts = new Map(), timers = new Map(), sending = new Map();
  const place = (part, answer) => `course ${student} ${experiment} ${part} ${answer}`;

  function typed(part, answer, text, base) {
    const name = place(part, answer), before = drafts.get(name);
    drafts.set(name, { part, answer, text, base: before?.base ?? base });
    write(name, drafts.get(name));
    told(part, answer, { state: "typing" });
    later(name, WAIT);
  }

  function later(name, wait) {
    clearTimeout(timers.get(name));
    timers.set(name, setTimeout(() => send(name).catch(() => {}), wait));
  }

  // Resolves when the server has it; one request an answer at a time, the newest text last.
  async function send(name) {
    clearTimeout(timers.get(name));
    while (sending.has(name)) await sending.get(name).catch(() => {});
    const draft = drafts.get(name);
    if (!draft) return;
    const { part, answer, text } = draft;
    const work = ask(`course/${experiment}/answer`, { part, answer, text });
    sending.set(name, work);
    try {
      const found = await work;
      if (drafts.get(name)?.text === text) (drafts.delete(name), write(name, null), told(part, answer, { state: "kept", time: found.kept, text }));
      else if (drafts.has(name)) (drafts.get(name).base = text);
    } catch (error) {
      const away = !(error.status >= 400 && error.status < 500) || error.status === 401 || error.status === 429;
      told(part, answer, { state: away ? "away" : "refused", message: error.message });
      if (away) later(name, AGAIN);
      throw error;
    } finally {
      sending.delete(name);
    }
  }

  // All that is on its way; rejects where the server does not take it.
  const settle = () => Promise.all([...drafts.keys()].map((name) => send(name)));

  // A draft that the server never got: {text, base}, where there is one.
  function left(part, answer) {
    try { return JSON.parse(localStorage.getItem(place(part, answer))); } catch { return null; }
  }
  const forget = (part, answer) => write(place(part, answer), null);

  addEventListener("online", () => [...drafts.keys()].forEach((name) => later(name, 0)));
  document.addEventListener("visibilitychange", () => document.hidden && settle().catch(() => {}));
  return { typed, settle, left, forget, waiting: () => drafts.size };
}

function write(name, draft) {
  try {
    if (draft) localStorage.setItem(name, JSON.stringify({ text: draft.text, base: draft.base }));
    else localStorage.removeItem(name);
  } catch { /* a browser without a memory: the server's is the one that counts */ }
}
