// Charts: plotly draws them when they come into view, in the page's colours, and again when those change.
"use strict";

{
  const TOUCH = matchMedia("(pointer: coarse)").matches; // a finger scrolls the page
  const CONFIG = {
    displaylogo: false, responsive: true, displayModeBar: TOUCH ? false : "hover",
    plotlyServerURL: "", modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]], // nothing is shared with a cloud
  };
  const PLAIN = new Set(["x", "y", "z", "customdata", "ticktext", "tickvals"]); // numbers and the user's texts
  const drawn = new Set();

  /** Returns a chart with the page's colours in the place of their names. */
  function dress(value) {
    if (typeof value === "string") return value.startsWith("var(--") ? colour(value.slice(4, -1)) : value;
    if (Array.isArray(value)) return value.map(dress);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, PLAIN.has(key) ? each : dress(each)]));
  }

  function clothe(layout) {
    const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line") };
    const axes = Object.keys(layout).filter((key) => /^[xy]axis/.test(key));
    return {
      ...layout,
      ...Object.fromEntries(axes.map((key) => [key, { ...axis, ...layout[key] }])),
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--ink") },
      hoverlabel: { bgcolor: colour("--panel"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
      legend: { orientation: "h", y: 1.14, x: 0 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      dragmode: TOUCH ? false : "zoom",
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--muted"), activecolor: colour("--accent") },
    };
  }

  /** Fits a chart of classes into a narrow page: no names on the axes where there is no room for them. */
  function fit(layout, data, width) {
    const names = data[0].type === "heatmap" ? 150 : 60; // what those on the other axis, or the numbers, take
    for (const key of ["xaxis", "yaxis"]) {
      const { ticktext } = layout[key];
      if (ticktext && width - names < 12 * ticktext.length) layout[key].showticklabels = false;
    }
    if (data[0].type !== "heatmap") return;
    data[0].showscale = false;
    layout.height = Math.min(layout.height, width + 60);
  }

  function draw(place) {
    const chart = findings.charts[place.dataset.chart];
    const data = dress(chart.data), layout = clothe(dress(chart.layout));
    if (data[0].type === "heatmap") place.style.maxWidth = `${layout.height + 140}px`; // about a square
    if (place.clientWidth < 600) fit(layout, data, place.clientWidth);
    Plotly.react(place, data, layout, CONFIG);
    drawn.add(place);
  }

  document.addEventListener("theme", () => drawn.forEach(draw));
  document.addEventListener("DOMContentLoaded", () => {
    for (const place of document.querySelectorAll("[data-chart]")) {
      place.style.minHeight = `${findings.charts[place.dataset.chart].layout.height}px`;
      whenSeen(place, () => { place.style.minHeight = ""; draw(place); });
    }
  });
}
