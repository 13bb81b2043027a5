// Around textual.js, which makes the terminal when the page has been loaded, and marks the body with what has happened.
"use strict";

const start = window.onload;
window.onload = async (event) => {
  // The terminal measures its letters once, so they must be there.
  await Promise.all(["", "bold ", "italic "].map((style) => document.fonts.load(`${style}16px "Roboto Mono"`)));
  document.querySelector("#again").onclick = () => window.location.reload();
  start(event);
};

// Keys go to the terminal without a click, as soon as there is somebody to take them.
const focus = () => {
  if (document.body.classList.contains("-loaded")) document.querySelector(".xterm-helper-textarea")?.focus();
};
window.addEventListener("DOMContentLoaded", () => {
  new MutationObserver(focus).observe(document.body, { attributeFilter: ["class"] });
});
window.addEventListener("focus", focus);
