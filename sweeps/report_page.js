"use strict";
// Draws the figures: a Vega-Lite chart for each panel, its rows laid out from the compact series of the page's data. What is chosen above the figures
// (conditions, units) changes all of them.
(() => {
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const shown = { other: report.shown_first, colours: new Set(report.colours.keys()), units: true };
  const charts = [];

  function rowsOf(figure, panel) {
    const units = [], means = [];
    const own = figure.data.colours;  // of figures over doses, which show all they have
    for (const series of figure.data.series) {
      if (series.panel !== panel || (!own && (series.other !== shown.other || !shown.colours.has(series.colour)))) continue;
      const line = { condition: (own ?? report.colours)[series.colour], split: figure.data.splits[series.split] };
      figure.data.x.forEach((x, place) => {
        if (series.mean[place] !== null)
          means.push({ x, mean: series.mean[place], low: series.low[place], high: series.high[place], units: series.of_units, ...line });
        if (!shown.units) return;
        series.courses.forEach((course, i) => {
          if (course[place] !== null) units.push({ x, y: course[place], unit: series.units[i], ...line });
        });
      });
    }
    return { units, means };
  }

  async function draw(figure, panel, element) {
    const spec = structuredClone(figure.spec);
    spec.datasets = rowsOf(figure, panel);
    const { view } = await vegaEmbed(element, spec, { actions: false, renderer: "svg", tooltip: { theme: "light" } });
    charts.push({ figure, panel, view });
  }

  function redraw() {
    for (const { figure, panel, view } of charts) {
      const rows = rowsOf(figure, panel);
      view.data("units", rows.units).data("means", rows.means).runAsync();
    }
  }

  function press(button, pressed) { button.setAttribute("aria-pressed", String(pressed)); }

  function listen() {
    for (const button of document.querySelectorAll("[data-colour]"))
      button.addEventListener("click", () => {
        const colour = Number(button.dataset.colour);
        if (!shown.colours.delete(colour)) shown.colours.add(colour);
        press(button, shown.colours.has(colour));
        redraw();
      });
    for (const button of document.querySelectorAll("[data-other]"))
      button.addEventListener("click", () => {
        shown.other = Number(button.dataset.other);
        document.querySelectorAll("[data-other]").forEach((one) => press(one, one === button));
        redraw();
      });
    for (const button of document.querySelectorAll("[data-units]"))
      button.addEventListener("click", () => {
        shown.units = !shown.units;
        press(button, shown.units);
        redraw();
      });
    // Panels have another width on paper than on the screen.
    window.addEventListener("beforeprint", () => window.dispatchEvent(new Event("resize")));
  }

  async function start() {
    listen();
    for (const element of document.querySelectorAll("[data-figure]")) {
      const figure = report.figures[Number(element.dataset.figure)];
      await draw(figure, Number(element.dataset.panel), element);
    }
    document.body.dataset.drawn = "yes";
  }
  start();
})();
