// The server: answers, streams of records, and faults said in the page's language.
import { own, t } from "./words.js";

export class Refused extends Error {}

// A body that is a file goes as it is, anything else as JSON.
const call = (path, body, signal, accept) =>
  fetch("/api/" + path, {
    method: body === undefined ? "GET" : "POST",
    headers: { Accept: accept, ...(body === undefined ? {} : { "Content-Type": body instanceof Blob ? "application/octet-stream" : "application/json" }) },
    body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
    signal,
  }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Refused(t("工作室已停下：请在终端里重新打开 rondo studio", "The studio has stopped: start rondo studio again in the terminal"));
  });

async function refuse(response) {
  let detail = response.statusText;
  try { detail = (await response.json()).detail ?? detail; } catch { /* not JSON */ }
  throw Object.assign(new Refused(own(String(detail))), { status: response.status });
}

// One answer as JSON. Without a body it is a GET.
export async function ask(path, body, signal) {
  const response = await call(path, body, signal, "application/json");
  return response.ok ? response.json() : refuse(response);
}

// Records as they come: on.record(data), on.queued(place). Resolves with the last record. Abort the signal to stop the work.
export async function stream(path, body, { signal, record = () => {}, queued = () => {} } = {}) {
  const response = await call(path, body, signal, "text/event-stream");
  if (!response.ok) await refuse(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", last;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Refused(t("工作室没有做完就停了", "The studio broke off before it was done"));
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const event = /^event: (\w+)\ndata: (.*)$/s.exec(text.slice(0, end));
      if (!event) continue;
      const data = JSON.parse(event[2]);
      if (event[1] === "record") record((last = data));
      else if (event[1] === "queued") queued(data.place);
      else if (event[1] === "failed") throw new Refused(own(data.detail));
      else if (event[1] === "done") return last;
    }
  }
}

// Runs one task at a time: a new one stops the one before, whose answer is dropped.
export function latest() {
  let current;
  const run = async (task) => {
    current?.abort();
    const mine = (current = new AbortController());
    try {
      return await task(mine.signal);
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      throw error;
    } finally {
      if (current === mine) current = undefined;
    }
  };
  run.stop = () => current?.abort();
  return run;
}

// Shows a fault in an element with role="alert"; anything that is not the server's refusal is a fault of the page.
export function tell(element, error) {
  element.hidden = !error;
  element.textContent = error ? error.message : "";
  if (error && !(error instanceof Refused)) throw error;
}

// The page's state in its address: plain values after #, as JSON.
export const link = {
  read() {
    try { return JSON.parse(decodeURIComponent(location.hash.slice(1))); } catch { return {}; }
  },
  write(values) {
    history.replaceState(null, "", "#" + encodeURIComponent(JSON.stringify(values)));
  },
};

// Sends a file as it is.
export async function send(path, file, signal) {
  const response = await fetch("/api/" + path, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file, signal });
  return response.ok ? response.json() : refuse(response);
}
