"use strict";
/* A divider a frame: what is right of it shows the image in front. */
for (const frame of document.querySelectorAll(".frame")) {
  const front = frame.querySelector(".front"), handle = frame.querySelector(".handle");
  let at = 50;
  const split = (percent) => {
    at = Math.min(Math.max(percent, 0), 100);
    front.style.clipPath = `inset(0 0 0 ${at}%)`;
    handle.style.left = `${at}%`;
    handle.setAttribute("aria-valuenow", Math.round(at));
  };
  const follow = (event) => {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = frame.getBoundingClientRect();
    split((100 * (event.clientX - box.left)) / box.width);
  };
  frame.addEventListener("pointerdown", (event) => {
    frame.setPointerCapture(event.pointerId);
    follow(event);
  });
  frame.addEventListener("pointermove", follow);
  handle.addEventListener("keydown", (event) => {
    const target = { ArrowLeft: at - 2, ArrowRight: at + 2, Home: 0, End: 100 }[event.key];
    if (target === undefined) return;
    split(target);
    event.preventDefault();
  });
  split(50);
}
document.body.dataset.ready = "1";
