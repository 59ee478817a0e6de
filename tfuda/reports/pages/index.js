// Sorting by the heads, a filter, and the curves of the runs whose box is checked.
document.addEventListener("DOMContentLoaded", () => {
  const runs = JSON.parse(document.getElementById("runs-data").textContent);
  const body = document.querySelector(".runs tbody"), heads = [...document.querySelectorAll(".runs thead th")];
  const rows = [...body.rows], picture = document.getElementById("overlay"), near = document.getElementById("near");
  const box = (row) => row.querySelector("input[type=checkbox]");
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const hint = near.textContent;
  const order = new Intl.Collator(undefined, { numeric: true });

  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const numbers = head.dataset.kind === "number";
      const down = head.getAttribute("aria-sort") === (numbers ? "descending" : "ascending") ? !numbers : numbers;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.v;
      const compare = numbers
        ? (a, b) => Number(value(a)) - Number(value(b))
        : (a, b) => order.compare(row_text(a, column), row_text(b, column));
      const known = rows.filter((row) => !numbers || value(row) !== undefined);
      const unknown = rows.filter((row) => numbers && value(row) === undefined);
      known.sort((a, b) => (down ? -1 : 1) * compare(a, b));
      body.append(...known, ...unknown);
    });
  });
  function row_text(row, column) { return row.cells[column].textContent; }

  const filter = document.getElementById("filter"), count = document.getElementById("count");
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/);
    let shown = 0;
    rows.forEach((row, i) => {
      row.hidden = !words.every((word) => texts[i].includes(word));
      shown += !row.hidden;
    });
    count.textContent = shown === rows.length ? `${shown} runs` : `${shown} of ${rows.length} runs`;
  });
  document.getElementById("all").addEventListener("click", () => {
    rows.forEach((row) => { box(row).checked = !row.hidden; });
    draw();
  });
  document.getElementById("none").addEventListener("click", () => {
    rows.forEach((row) => { box(row).checked = false; });
    draw();
  });
  body.addEventListener("change", draw);

  const round = (low, high, parts) => {
    const raw = (high - low) / parts || 1, power = 10 ** Math.floor(Math.log10(raw));
    return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((step) => step >= raw * 0.999);
  };
  let places = [];
  function draw() {
    const chosen = [...document.querySelectorAll(".runs input:checked")].map((input) => Number(input.dataset.run));
    const seen = chosen.sort((a, b) => a - b).map((i) => runs[i]).filter((run) => run.curve.length);
    const cells = [...new Set(seen.map((run) => run.cell))];
    const keys = document.getElementById("cells");
    picture.replaceChildren();
    keys.replaceChildren();
    places = [];
    near.textContent = hint;
    if (!seen.length) {
      picture.setAttribute("aria-label", "No run is drawn.");
      return;
    }
    const points = seen.flatMap((run) => run.curve);
    const least = points.reduce((low, p) => Math.min(low, p[1]), 1), most = points.reduce((high, p) => Math.max(high, p[1]), 0);
    const last = points.reduce((high, p) => Math.max(high, p[0]), 1);
    const step = round(least, most, 4), low = Math.floor(least / step + 1e-9) * step;
    const high = Math.max(Math.ceil(most / step - 1e-9) * step, low + step);
    const plot = svg("svg", { class: "plot" }), lines = svg("svg", { viewBox: "0 0 1000 1000", preserveAspectRatio: "none" });
    const text = (attributes, words) => {
      const made = svg("text", attributes);
      made.textContent = words;
      plot.append(made);
    };
    for (let tick = low; tick <= high + step / 2; tick += step) {
      const y = `${(100 * (high - tick)) / (high - low)}%`;
      plot.append(svg("line", { class: "grid", x1: 0, x2: "100%", y1: y, y2: y }));
      text({ class: "y", x: -8, y, dy: "0.32em" }, Number((100 * tick).toFixed(2)));
    }
    const wide = round(0, last, 4);
    for (let tick = 0; tick <= last; tick += wide)
      text({ class: "x", x: `${(100 * tick) / last}%`, y: "100%", dy: 18 }, tick.toLocaleString("en"));
    const look = (cell) => `c${cells.indexOf(cell) % 8} d${Math.floor(cells.indexOf(cell) / 8) % 3}`;
    for (const run of seen) {
      const at = run.curve.map(([x, y]) => [(1000 * x) / last, (1000 * (high - y)) / (high - low)]);
      const d = `M${at.map(([x, y]) => `${x.toFixed(0)} ${y.toFixed(0)}`).join("L")}${at.length > 1 ? "" : "h0"}`;
      const line = svg("path", { class: `line ${look(run.cell)}`, d });
      lines.append(line);
      places.push({ run, at, line });
    }
    plot.append(lines);
    picture.append(plot);
    for (const cell of cells) {
      const entry = document.createElement("span"), name = document.createElement("span");
      const swatch = svg("svg", { class: "swatch", "aria-hidden": "true" });
      swatch.append(svg("line", { class: `line ${look(cell)}`, x1: 1, x2: 21, y1: 6, y2: 6 }));
      entry.className = "key";
      name.textContent = cell;
      entry.append(swatch, name);
      keys.append(entry);
    }
    const end = (run) => run.curve[run.curve.length - 1][1];
    const best = seen.reduce((a, b) => (end(b) > end(a) ? b : a));
    picture.setAttribute(
      "aria-label",
      `Target accuracy of ${seen.length} runs of ${cells.length} cells over ${last} steps; ` +
        `the highest at its end is ${best.name} with ${(100 * end(best)).toFixed(1)} %.`,
    );
  }
  picture.addEventListener("pointermove", (event) => {
    const inside = picture.querySelector(".plot > svg");
    if (!inside) return;
    const area = inside.getBoundingClientRect();
    const x = (1000 * (event.clientX - area.left)) / area.width, y = (1000 * (event.clientY - area.top)) / area.height;
    let found = null, distance = Infinity, point = 0;
    for (const place of places)
      place.at.forEach(([px, py], i) => {
        const away = (px - x) ** 2 * 4 + (py - y) ** 2;
        if (away < distance) [found, distance, point] = [place, away, i];
      });
    places.forEach((place) => place.line.classList.toggle("near", place === found));
    if (found) {
      const [step, value] = found.run.curve[point];
      near.textContent = `${found.run.name}: ${(100 * value).toFixed(1)} % at step ${step}`;
    }
  });
  draw();
});
