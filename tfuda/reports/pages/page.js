// One slider reads out all charts of a group; the pointer over any of them moves it. Boxes show and hide lines.
document.addEventListener("DOMContentLoaded", () => {
  for (const group of document.querySelectorAll("[data-group]")) {
    const { steps, charts } = JSON.parse(document.getElementById(`${group.dataset.group}-data`).textContent);
    const range = group.querySelector("input[type=range]");
    const shown = group.querySelector(".slider output");
    const figures = [...group.querySelectorAll("figure.chart")];
    const first = steps[0], span = steps[steps.length - 1] - first || 1;
    const percent = (share) => `${(100 * share).toFixed(2)}%`;
    const text = (value, chart) =>
      value === null ? "not finite" : chart.percent ? `${(100 * value).toFixed(1)} %` : `${Number(value.toPrecision(3))}`;
    const above = (value, chart) => {
      const bend = (v) => (chart.bent ? Math.sign(v) * Math.log10(1 + Math.abs(v)) : v);
      return (bend(value) - bend(chart.low)) / (bend(chart.high) - bend(chart.low));
    };
    const show = (i) => {
      const x = percent((steps[i] - first) / span);
      shown.textContent = steps[i];
      range.setAttribute("aria-valuetext", `step ${steps[i]}`);
      figures.forEach((figure, f) => {
        const cursor = figure.querySelector(".cursor");
        cursor.setAttribute("x1", x);
        cursor.setAttribute("x2", x);
        cursor.setAttribute("visibility", "visible");
        figure.querySelectorAll(".keys output").forEach((output, line) => {
          const value = charts[f].lines[line][i], dot = figure.querySelector(`.dot[data-line="${line}"]`);
          output.textContent = text(value, charts[f]);
          dot.setAttribute("visibility", value === null ? "hidden" : "visible");
          if (value === null) return;
          dot.setAttribute("cx", x);
          dot.setAttribute("cy", percent(1 - above(value, charts[f])));
        });
      });
    };
    range.addEventListener("input", () => show(Number(range.value)));
    for (const figure of figures) {
      const frame = figure.querySelector(".frame"), plot = figure.querySelector(".plot > svg");
      frame.addEventListener("pointermove", (event) => {
        const box = plot.getBoundingClientRect();
        const at = first + span * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
        const near = steps.reduce((best, step, i) => (Math.abs(step - at) < Math.abs(steps[best] - at) ? i : best), 0);
        range.value = near;
        show(near);
      });
      for (const box of figure.querySelectorAll("input[type=checkbox]"))
        box.addEventListener("change", () => {
          for (const part of figure.querySelectorAll(`.plot [data-line="${box.dataset.line}"]`))
            part.classList.toggle("off", !box.checked);
        });
    }
    show(Number(range.value));
  }
});
