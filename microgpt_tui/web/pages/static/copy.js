// Buttons that copy the text before them; also where a page without https may not write to the clipboard by itself.
"use strict";

const copy = (button) => {
  const range = document.createRange();
  range.selectNodeContents(button.previousElementSibling);
  window.getSelection().removeAllRanges();
  window.getSelection().addRange(range);
  if (document.execCommand("copy")) button.textContent = button.dataset.done;
};
window.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("button[data-done]").forEach((button) => {
    button.onclick = () => copy(button);
  });
});
