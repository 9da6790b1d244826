// A small character model of a pasted text: loss in bits per character, what it writes, and the trainings that are kept.
import { Refused, ask, latest, stream, tell } from "./api.js";
import { h } from "./dom.js";
import { plot } from "./plot.js";
import { blank, bytes, digits, drawer, select, value, word } from "./trials_parts.js";
import { PRIME, TEXT } from "./trials_words.js";
import { own, t } from "./words.js";

const MOST = 1 << 20; // bytes in UTF-8

export function textPanel(p) {
  p.title.textContent = t("读一段文字：字符模型", "Learn a text: a character model");
  p.lead.textContent = t("贴一段文字，用这个单元学着写；训练存成一个文件夹，停下、关掉以后都能接着练。", "Paste a text, and the cell learns to write it; the training is kept in a folder, so it goes on after a stop, or after the studio was closed.");
  p.go.textContent = t("开始训练", "Train");
  const text = h("textarea", { id: p.id("words"), rows: 6, spellcheck: "false", class: "serif" });
  text.value = TEXT;
  const count = h("span", { class: "quiet", id: p.id("count") });
  const file = h("input", { type: "file", accept: ".txt,.md,.csv,text/plain", id: p.id("file"), class: "unseen", onchange: open });
  const counted = () => (count.textContent = t(`${text.value.length.toLocaleString("en")} 字符`, `${text.value.length.toLocaleString("en")} characters`));
  text.addEventListener("input", counted);
  counted();
  p.form.append(
    word("用", "With"), select("hidden", t("单元数", "units"), ["32", "64", "128", "256"].map((n) => [n, n]), "64"),
    word("个单元，训练", "units, for"), select("steps", t("步数", "steps"), ["200", "400", "1000", "3000"].map((n) => [n, Number(n).toLocaleString("en")]), "400"),
    word("步，学习率", "steps, learning rate"), select("lr", t("学习率", "learning rate"), ["0.003", "0.01", "0.03"].map((n) => [n, n]), "0.01"),
  );
  const sample = h("blockquote", { class: "serif written", id: p.id("sample"), hidden: true });
  const earlier = h("details", { class: "quiet", hidden: true }, h("summary", {}, t("先前写的", "what it wrote before")));
  const kept = h("div", { id: p.id("runs") });
  const paste = h("div", { class: "stack" },
    h("label", { for: p.id("words") }, t("文字", "The text")), text,
    h("div", { class: "row" }, count, h("span", { class: "grow" }), file, h("label", { for: p.id("file"), class: "button small" }, t("打开文本文件", "Open a text file"))));
  p.shown.append(sample, earlier);
  p.form.before(paste);
  p.root.append(continuation(p), h("h3", {}, t("存下的训练", "Trainings that are kept")), kept);

  async function open() {
    const [chosen] = file.files;
    if (!chosen) return;
    tell(p.fault);
    if (chosen.size > MOST) return tell(p.fault, new Refused(t("文件太大，最多 1 MB", "this file is too large: at most 1 MB")));
    const read = await chosen.text();
    if (read.includes("\u0000") || read.includes("\ufffd")) return tell(p.fault, new Refused(t("这不是 UTF-8 的文本文件", "this is no text file in UTF-8")));
    text.value = read;
    counted();
  }

  let found = p.kept();
  const soon = drawer(() => draw());
  p.start = () => train((signal, on) => {
    const cell = p.cell(), asked = Object.fromEntries(["hidden", "steps", "lr"].map((n) => [n, Number(value(p.form, n))]));
    if (new Blob([text.value]).size > MOST) throw new Refused(t("文字太长，最多 1 MB", "the text is too long: at most 1 MB"));
    found = { equations: cell.equations, asked };
    return stream("cell/text", { cell, text: text.value, ...asked }, { signal, ...on });
  });
  const resume = (name) => train((signal, on) => {
    found = {};
    return stream(`runs/${name}/resume`, {}, { signal, ...on });
  });

  async function train(work) {
    p.old.hidden = true;
    await p.run(async (signal) => {
      for (const part of [p.number, p.facts]) part.replaceChildren();
      sample.hidden = earlier.hidden = true;
      earlier.replaceChildren(earlier.firstChild);
      p.root.querySelector(".diverged")?.remove();
      p.chart.replaceChildren(blank(t("正在数 n 元组、编译……", "counting n-grams, compiling …")));
      await work(signal, { queued: p.queued, record });
    });
    if (found?.begun) p.keep(found), draw();
    else restore();
    // a training that was stopped lets go of its folder a moment later
    for (let k = 0; k < 40 && (await list()).some((r) => r.running && r.name === found?.name); k++) await new Promise((done) => setTimeout(done, 250));
    if (p.stopped && found?.name) p.say(t("已停下，存好的部分都在，可以接着练。", "stopped; what was saved is kept and can go on."));
  }

  function record(r) {
    if (r.stage === "reading") (found.name = r.name), p.say(t("正在数 n 元组……", "counting n-grams …"));
    else if (r.stage === "begun") {
      const { history, ...begun } = r;
      Object.assign(found, { begun, train: history.filter((x) => x[1] === "train").map(([s, , v]) => [s, v]), valid: history.filter((x) => x[1] === "valid").map(([s, , v]) => [s, v]) });
      p.say(r.step ? t(`从第 ${r.step} 步接着练……`, `going on from step ${r.step} …`) : t("正在训练……", "training …"));
    } else if (r.stage === "step") found.train.push([r.step, r.train]), (found.speed = r.speed), p.done(r.done);
    else if (r.stage === "valid") found.valid.push([r.step, r.valid]);
    else if (r.stage === "written") wrote(r);
    else if (r.stage === "diverged") found.stopped = r.stopped;
    if (found.begun) soon();
  }

  function wrote(r) {
    if (!sample.hidden) earlier.firstChild.after(h("p", { class: "serif written" }, sample.textContent));
    earlier.hidden = earlier.children.length < 2;
    while (earlier.children.length > 9) earlier.lastChild.remove();
    found.sample = r.text;
    found.written = r.step;
    said();
  }

  function said() {
    sample.hidden = !found.sample;
    if (found.sample) sample.replaceChildren(h("span", { class: "quiet step" }, t(`第 ${found.written} 步写的`, `written at step ${found.written}`)), found.sample);
  }

  function draw() {
    const { begun } = found, unit = t("比特每字符", "bits per character");
    plot(p.chart, {
      title: t("学习曲线", "learning curve"), height: 280,
      x: { label: t("训练步数", "training steps"), min: 0, max: begun.steps },
      y: { label: unit, min: 0 },
      series: [{ name: t("训练", "training"), points: found.train, color: 0, dash: 0 }, { name: t("留出的文字", "held-out text"), points: found.valid, color: 1, dash: 1, dots: true }],
      lines: [{ y: begun.floor, label: t(`${begun.order} 元组`, `${begun.order}-gram`) }],
    });
    p.how.textContent = t(
      `怎样读：猜下一个字符平均要多少比特，越低越好；点线是 ${begun.order} 元组模型，低过它才说明网络比数数强。`,
      `How to read it: how many bits the next character costs, lower is better; the dotted line is a ${begun.order}-gram model, only below it the network beats counting.`,
    );
    const best = Math.min(...found.valid.map((q) => q[1]));
    if (Number.isFinite(best)) {
      const below = best < begun.floor;
      p.number.replaceChildren(h("b", { class: "number-big" }, digits(best)), t(`　比特每字符，在留出的文字上；${begun.order} 元组 ${digits(begun.floor)}：`, ` bits per character on the held-out text; ${begun.order}-gram ${digits(begun.floor)}: `),
        h("b", { class: below ? "ok" : "caution" }, below ? t("✓ 胜过数数", "✓ better than counting") : t("还没胜过数数", "not better than counting yet")), t("。", "."));
    }
    const rate = found.speed ? t(`，每秒 ${Math.round(found.speed).toLocaleString("en")} 字符`, `, ${Math.round(found.speed).toLocaleString("en")} characters a second`) : "";
    p.facts.textContent = t(
      `${begun.symbols.toLocaleString("en")} 个字符用来学，${begun.held.toLocaleString("en")} 个留出；${begun.vocabulary} 种；${begun.hidden} 个单元，${begun.parameters.toLocaleString("en")} 个参数${rate}。`,
      `${begun.symbols.toLocaleString("en")} characters to learn, ${begun.held.toLocaleString("en")} held out; ${begun.vocabulary} different ones; ${begun.hidden} units, ${begun.parameters.toLocaleString("en")} parameters${rate}.`,
    );
    said();
    if (found.stopped && !p.root.querySelector(".diverged")) p.facts.after(h("div", { class: "note diverged", role: "status" }, h("b", { class: "bad" }, t("发散了", "diverged")), t("：", ": "), own(found.stopped), t("。换小一点的学习率再试。", ". Try a smaller learning rate.")));
  }

  // the trainings that are kept
  p.others = () => [...kept.querySelectorAll("button")];
  async function list() {
    const runs = await ask("runs");
    kept.replaceChildren(runs.length ? table(runs) : h("p", { class: "quiet" }, t("还没有。每次训练都会列在这里。", "None yet. Every training will be listed here.")));
    p.chosen(runs.filter((r) => r.model), found?.name);
    return runs;
  }

  function table(runs) {
    const heads = [t("文字", "text"), t("单元", "cell"), t("进度", "progress"), t("比特每字符", "bits per character"), t("大小", "size"), ""];
    return h("div", { class: "scroll" }, h("table", {}, h("tr", {}, heads.map((x) => h("th", {}, x))), runs.map((r) => h("tr", { "data-run": r.name },
      h("td", { class: "title" }, r.title || r.name), h("td", {}, `${r.cell} · ${r.hidden}`),
      h("td", { class: "number" }, `${r.step.toLocaleString("en")} / ${r.steps.toLocaleString("en")}`, r.running ? t("，在练", ", at work") : ""),
      h("td", { class: "number" }, r.bits == null ? "–" : digits(r.bits)), h("td", { class: "number" }, bytes(r.bytes)),
      h("td", {}, h("div", { class: "row actions" },
        r.step < r.steps && !r.running ? h("button", { class: "small", type: "button", "data-do": "resume", onclick: () => resume(r.name) }, t("接着练", "Go on")) : null,
        r.model ? h("a", { class: "button small", href: `/api/runs/${r.name}/model`, download: `${r.name}.safetensors` }, t("下载模型", "Model file")) : null,
        r.running ? null : h("button", { class: "small", type: "button", "data-do": "delete", onclick: (event) => remove(event.target, r.name) }, t("删除", "Delete")))))) ));
  }

  // The first press asks, the second deletes.
  async function remove(button, name) {
    if (!button.dataset.sure) {
      button.dataset.sure = "yes";
      button.textContent = t("真的删除？", "Really delete?");
      setTimeout(() => ((button.textContent = t("删除", "Delete")), delete button.dataset.sure), 4000);
      return;
    }
    const response = await fetch(`/api/runs/${name}`, { method: "DELETE" });
    tell(p.fault, response.ok ? undefined : new Refused(own((await response.json()).detail)));
    await list();
  }

  function restore() {
    if (found?.begun && Array.isArray(found.train) && Array.isArray(found.valid)) {
      for (const [name, v] of Object.entries(found.asked ?? {})) if (p.form.elements[name]) p.form.elements[name].value = v;
      draw();
      return;
    }
    found = undefined;
    p.how.textContent = t("怎样读：猜下一个字符平均要多少比特，越低越好。", "How to read it: how many bits the next character costs on average; lower is better.");
    p.chart.replaceChildren(blank(t("按“开始训练”：曲线、n 元组的底线和它写的字，都会出现在这里。", "Press Train: the curve, the n-gram floor and what it writes appear here.")));
  }
  restore();
  p.aged();
  list().catch((error) => tell(p.fault, error));
  return p;
}

// Continue a beginning with the model of a run that is kept.
function continuation(p) {
  const run = latest(), id = p.id;
  const which = h("select", { id: id("which"), "aria-label": t("哪个模型", "which model") });
  const prime = h("input", { type: "text", id: id("prime"), maxlength: 1000, size: 16, value: PRIME, "aria-label": t("开头", "beginning") });
  const heat = select("temperature", t("温度", "temperature"), ["0.3", "0.6", "0.8", "1"].map((n) => [n, n]), "0.6");
  const told = h("blockquote", { class: "serif written", id: id("told"), "aria-live": "polite", hidden: true });
  const fault = h("p", { class: "alert", role: "alert", hidden: true });
  let seed = 0;
  const write = async (event) => {
    event.preventDefault();
    tell(fault);
    told.hidden = false;
    told.setAttribute("aria-busy", true);
    told.replaceChildren(h("b", {}, prime.value));
    seed += 1;
    try {
      const last = await run((signal) => stream(`runs/${which.value}/sample`, { prime: prime.value, temperature: Number(heat.value), length: 240, seed }, { signal, record: (r) => r.piece && told.append(r.piece) }));
      if (last?.unknown?.length) told.append(h("span", { class: "quiet step" }, t(`不认识：${last.unknown.join(" ")}`, `unknown to it: ${last.unknown.join(" ")}`)));
    } catch (error) {
      tell(fault, error);
    } finally {
      told.setAttribute("aria-busy", false);
    }
  };
  const root = h("div", { class: "stack continuation", hidden: true }, h("h3", {}, t("接着写", "Let it go on")),
    h("form", { class: "sentence", id: id("continue"), autocomplete: "off", onsubmit: write }, word("让", "Let"), which, word("从", "continue"), prime, word("写下去，温度", "at temperature"), heat, h("button", { type: "submit" }, t("写", "Write"))), told, fault);
  p.chosen = (runs, newest) => {
    const before = newest ?? which.value;
    root.hidden = !runs.length;
    which.replaceChildren(...runs.map((r) => h("option", { value: r.name, selected: r.name === before }, `${(r.title || r.name).slice(0, 14)} · ${r.cell} ${r.hidden}`)));
  };
  return root;
}
