// Draws the chart from the table of its figures, again whenever they, the width or the theme change.
"use strict";
(() => {
  const SERIES = { jobs: ["completed", "failed"], durations: ["wait", "run"] };
  const HEIGHT = 132;
  const drawn = new Map();

  // A canvas knows no variables: the colour is read where CSS has worked it out.
  const colourOf = (name) => getComputedStyle(document.querySelector(`[data-key-of="${name}"]`)).outlineColor;
  const colourOfText = (plot) => getComputedStyle(plot.previousElementSibling).color;

  function figures(keys) {
    const rows = [...document.querySelectorAll("[data-figures] tbody tr")];
    const column = (key) => rows.map((row) => (row.dataset[key] === undefined ? null : Number(row.dataset[key])));
    return [column("at"), ...keys.map(column)];
  }

  const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric" });
  const moments = (_, at, __, ___, step) => at.map((one) => (step >= 86400 ? day : hour).format(one * 1000));
  const told = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit" });
  const number = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3, notation: "compact" });

  function tell(chart, tip, keys) {
    const index = chart.cursor.idx;
    tip.hidden = index == null;
    if (tip.hidden) return;
    const values = keys.map((key, i) => `${key} ${number.format(chart.data[i + 1][index] ?? 0)}`);
    tip.textContent = `${told.format(chart.data[0][index] * 1000)}: ${values.join(", ")}`;
  }

  // A line through one point is none; of many, points would be noise.
  const isSparse = (chart, index) => chart.data[index].filter((value) => value != null).length <= 12;

  function draw(plot) {
    const keys = SERIES[plot.dataset.plot];
    const lines = { stroke: () => colourOfText(plot), ticks: { show: false }, font: "11px system-ui" };
    const grid = { width: 1, stroke: () => getComputedStyle(plot.closest(".sheet")).borderTopColor };
    const tip = Object.assign(document.createElement("div"), { className: "tip", hidden: true });
    const chart = new uPlot(
      {
        width: plot.clientWidth,
        height: HEIGHT,
        padding: [10, 32, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 5 } },
        scales: { y: { range: (_, __, most) => [0, Math.max(most || 0, plot.dataset.plot === "jobs" ? 4 : 0.01) * 1.05] } },
        axes: [
          { ...lines, grid: { show: false }, space: 60, size: 24, values: moments },
          { ...lines, grid, space: 32, size: 44, values: (_, values) => values.map((value) => number.format(value)) },
        ],
        series: [{}, ...keys.map((key) => ({ label: key, stroke: () => colourOf(key), width: 1.5, spanGaps: true, points: { show: isSparse, size: 4, width: 0, fill: () => colourOf(key) } }))],
        hooks: { setCursor: [(it) => tell(it, tip, keys)] },
      },
      figures(keys),
      plot,
    );
    plot.append(tip);
    drawn.set(plot, chart);
  }

  function show() {
    for (const [plot, chart] of drawn) {
      if (plot.isConnected) chart.setData(figures(SERIES[plot.dataset.plot]));
      else (chart.destroy(), drawn.delete(plot));
    }
    for (const plot of document.querySelectorAll("[data-plot]")) if (!drawn.has(plot)) draw(plot);
  }

  function redraw() {
    for (const chart of drawn.values()) chart.redraw(false);
  }

  addEventListener("resize", () => {
    for (const [plot, chart] of drawn) chart.setSize({ width: plot.clientWidth, height: HEIGHT });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  // Anew only after what was put in has settled: a swap changes many rows.
  document.addEventListener("htmx:after:swap", show);
  show();
})();
