// Around textual.js, which makes the terminal when the page has been loaded, and marks the body with what has happened.
"use strict";

const LEAST = { width: 800, height: 520 }; // pixels for 80 columns and 24 rows
const LONGEST_PASTE = 10000; // characters; one more is sent, so that the debugger knows, and says so

// The socket is beside the page, wherever a proxy has put the page, and encrypted if the page is.
const address = (name) => {
  const url = new URL(name, window.location.href);
  url.protocol = window.location.protocol === "https:" ? "wss:" : "ws:";
  url.search = url.hash = "";
  return url.href;
};

const start = window.onload;
window.onload = async (event) => {
  const terminal = document.querySelector("#terminal");
  terminal.dataset.sessionWebsocketUrl = address(terminal.dataset.sessionWebsocketUrl);
  widen();
  // The terminal measures its letters once, so they must be there.
  await Promise.all(["", "bold ", "italic "].map((style) => document.fonts.load(`${style}16px "Roboto Mono"`)));
  document.querySelector("#again").onclick = () => window.location.reload();
  start(event);
};

// A phone draws a page as wide as it is asked to: wide enough for the debugger, whichever way the phone is held.
// Other browsers ignore this.
const widen = () => {
  const shape = window.innerWidth / window.innerHeight;
  const width = Math.max(LEAST.width, Math.ceil(LEAST.height * shape));
  const [short, long] = [window.screen.width, window.screen.height].sort((a, b) => a - b);
  const has = shape > 1 ? long : short;
  const content = has >= width ? "width=device-width, initial-scale=1" : `width=${width}`;
  document.querySelector("meta[name=viewport]").content = content;
};
window.matchMedia("(orientation: portrait)").addEventListener("change", widen);

// Keys go to the terminal without a click, as soon as there is somebody to take them.
const focus = () => {
  if (document.body.classList.contains("-loaded")) document.querySelector(".xterm-helper-textarea")?.focus();
};
window.addEventListener("DOMContentLoaded", () => {
  new MutationObserver(focus).observe(document.body, { attributeFilter: ["class"] });
});
window.addEventListener("focus", focus);

// ctrl+v is the browser's: it pastes. The terminal, which would send it as a key, does not see it.
const pastes = ({ key, code, ctrlKey, altKey, metaKey }) =>
  ctrlKey && !altKey && !metaKey && (key.toLowerCase() === "v" || (code === "KeyV" && key > "~"));
window.addEventListener("keydown", (event) => {
  if (pastes(event)) event.stopImmediatePropagation();
}, true);

// What is too long to paste is cut, or the server would end the visit.
window.addEventListener("paste", (event) => {
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (text.length <= LONGEST_PASTE + 1) return;
  event.stopImmediatePropagation();
  event.preventDefault();
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", text.slice(0, LONGEST_PASTE + 1));
  event.target.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}, true);
