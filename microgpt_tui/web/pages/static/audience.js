// The page of an audience: follows the lecturer's screen, shows it for this screen's size, and sends answers.
import { follow } from "./stream.js";
import { View, colours } from "./cells.js";
import { Question } from "./question.js";

const WORDS = JSON.parse(document.querySelector("#words").textContent);
const find = (id) => document.querySelector(`#${id}`);

const say = (state, key, values = {}) => {
  const words = WORDS[state.page?.language] ?? WORDS[document.documentElement.lang] ?? WORDS.en;
  return words[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
};

const make = (name, text = "", className = "") => {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
};

// Blocks of text, as elements. No HTML comes from the server.
const styled = { b: "strong", i: "em", c: "code" };
const runs = (parent, pieces) => {
  for (const [text, style] of pieces) {
    let inside = parent;
    for (const letter of style) {
      if (styled[letter]) inside = inside.appendChild(make(styled[letter]));
    }
    inside.append(text);
  }
  return parent;
};
const MARK = /^\s*(•|[-*]|\d+[.)])\s*$/; // what stands before an item of a list
const block = ({ kind, runs: pieces }) => {
  const item = kind === "p" && pieces.length > 1 && MARK.test(pieces[0][0]);
  return runs(make(kind === "p" ? "p" : "pre", "", item ? "item" : ""), pieces);
};
const blocks = (parent, list) => parent.replaceChildren(...(list ?? []).map(block));

let state = {};
let version = 0;
const whole = new View();
const panes = new Map();
const question = new Question((key, values) => say(state, key, values), make);

const drawPage = () => {
  const page = state.page;
  const number = page?.pages ? say(state, "page", { n: page.number, total: page.pages }) : "";
  find("place").textContent = [page?.chapter, number].filter(Boolean).join(" · ");
  find("title").textContent = page?.title ?? "";
  document.body.classList.toggle("bare", !page?.title || Boolean(state.ended)); // the screen is all there is
  document.title = page?.title ? `${page.title} – microgpt-tui` : "microgpt-tui";
  if (page?.language) document.documentElement.lang = page.language;
  blocks(find("body"), page?.body);
  blocks(find("then"), page?.then);
  find("explore").hidden = !state.explore;
  find("explore").textContent = say(state, "explore");
  find("explore").href = `explore?at=${version}`;
};

const drawScreen = (changed) => {
  const [columns, lines] = state.size ?? [0, 0];
  const rows = Array.from({ length: lines }, (_, y) => state[`row/${y}`] ?? []);
  const shown = state.panes ?? [];
  if (changed.has("panes") || changed.has("size") || changed.has("blank")) {
    for (const [id, view] of panes) {
      if (!shown.some((pane) => pane.id === id)) {
        view.element.remove();
        panes.delete(id);
      }
    }
    for (const pane of shown) {
      if (!panes.has(pane.id)) panes.set(pane.id, new View());
      find("panes").append(panes.get(pane.id).element);
    }
  }
  for (const pane of shown) {
    panes.get(pane.id).name(pane.title);
    panes.get(pane.id).show(rows, pane.x, pane.y, pane.width, pane.height);
  }
  whole.name(say(state, "screen"));
  whole.show(rows, 0, 0, columns, lines);
  const { ground, text } = colours(rows);
  if (ground) {
    document.documentElement.style.setProperty("--ground", ground);
    document.documentElement.style.setProperty("--text", text);
  }
};

const draw = (changed) => {
  drawPage();
  const hidden = Boolean(state.blank);
  for (const id of ["page", "panes"]) find(id).hidden = hidden || Boolean(state.ended); // the last screen stays
  find("screen").hidden = hidden;
  if (!hidden) {
    drawScreen(changed);
    question.show(state.question);
    find("screen").querySelector("h2").textContent = say(state, "screen");
  }
};

// Several frames that come together are drawn once.
let waiting = null;
const changed = new Set();
const soon = (keys) => {
  keys.forEach((key) => changed.add(key));
  waiting ??= requestAnimationFrame(() => {
    waiting = null;
    draw(changed);
    changed.clear();
  });
};

const banner = (key) => {
  find("banner").hidden = !key;
  find("banner").textContent = key ? say(state, key) : "";
  find("banner").classList.toggle("calm", key !== "lost");
  document.body.dataset.state = key || "live";
  whole.fit(); // a banner leaves less height
};

addEventListener("resize", () => whole.fit());
addEventListener("keydown", (event) => question.typed(event));
find("screen").append(make("h2"), whole.element);
banner("waiting");
follow({
  frame({ changes, whole: all, version: now }) {
    version = now;
    const before = state;
    if (all) state = {};
    for (const [key, value] of Object.entries(changes)) {
      if (value === null) delete state[key];
      else state[key] = value;
    }
    banner(state.ended ? "ended" : state.blank ? "blank" : "");
    soon(all ? [...Object.keys(before), ...Object.keys(state)] : Object.keys(changes));
  },
  joined: () => question.joined(state.question),
  lost: () => banner(state.ended ? "ended" : "lost"),
  full: () => banner("full"),
});
