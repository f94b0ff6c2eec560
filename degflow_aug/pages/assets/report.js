"use strict";

const charts = JSON.parse(document.getElementById("data").textContent);

// Pressed is how the page is written; off puts a class on the section.
function connect(id, off) {
  const button = document.getElementById(id);
  if (!button) return;
  button.addEventListener("click", () => {
    const pressed = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(pressed));
    document.getElementById("losses").classList.toggle(off, !pressed);
  });
}
connect("logarithmic", "linear");
connect("raw", "mean");

function nearest(series, at) {
  let best = -1;
  series.x.forEach((x, index) => {
    if (series.y[index] === null) return;
    if (best < 0 || Math.abs(x - at) < Math.abs(series.x[best] - at)) best = index;
  });
  return best;
}

document.querySelectorAll("figure.chart").forEach((figure) => {
  const chart = charts[Number(figure.dataset.chart)];
  const all = chart.series.flatMap((series) => series.x);
  const low = all.reduce((a, b) => Math.min(a, b));
  const high = all.reduce((a, b) => Math.max(a, b));
  const read = figure.querySelector(".read");
  figure.querySelectorAll(".plot").forEach((plot) => {
    const cursor = plot.querySelector(".cursor");
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      const first = chart.series[0];
      const index = nearest(first, low + share * (high - low));
      if (index < 0 || high === low) return;
      const at = first.x[index];
      cursor.style.display = "block";
      cursor.style.left = `${(100 * (at - low)) / (high - low)}%`;
      const values = chart.series.map((series) => [series, nearest(series, at)]).filter(([, index]) => index >= 0);
      read.textContent =
        `${chart.x} ${at}: ` + values.map(([series, index]) => `${series.name} ${series.y[index]}`).join(", ");
    });
    plot.addEventListener("pointerleave", () => {
      cursor.style.display = "none";
      read.textContent = "";
    });
  });
});
