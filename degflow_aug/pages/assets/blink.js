"use strict";
/* HR and LR of all scenes in turn, or one of them. */
const buttons = [...document.querySelectorAll("[data-show]")];
let turning = 0;
function show(what) {
  clearInterval(turning);
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.show === what));
  document.body.dataset.shown = what === "lr" ? "lr" : "hr";
  if (what === "blink") {
    turning = setInterval(() => {
      document.body.dataset.shown = document.body.dataset.shown === "hr" ? "lr" : "hr";
    }, 700);
  }
}
for (const button of buttons) button.addEventListener("click", () => show(button.dataset.show));
document.addEventListener("keydown", (event) => {
  const what = { b: "blink", h: "hr", l: "lr" }[event.key.toLowerCase()];
  if (what && !event.ctrlKey && !event.metaKey && !event.altKey) show(what);
});
show(matchMedia("(prefers-reduced-motion: reduce)").matches ? "hr" : "blink");
document.body.dataset.ready = "1";
