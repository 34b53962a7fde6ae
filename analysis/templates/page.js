(() => {
  // The theme: as the system has it, or as it was chosen here.
  const themes = ["auto", "light", "dark"];
  const button = document.getElementById("theme");
  function show(theme) {
    document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  }
  let theme = "auto";
  try { theme = localStorage.getItem("theme") || theme; } catch { /* a page from a file may have no storage */ }
  show(themes.includes(theme) ? theme : "auto");
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length];
    show(theme);
    try { localStorage.setItem("theme", theme); } catch { /* then it holds for this visit */ }
  });

  // A plot is read out at an x: under the pointer, or by the arrow keys, and by page keys in larger steps.
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const short = (value) => value === null ? "–" : Number(value.toPrecision(4)).toLocaleString("en");

  function reader(drawing, plot) {
    const said = drawing.parentElement.querySelector("output");
    const [low, high, start, end, kind] = drawing.dataset.x.split(" ").map((word, index) => index < 4 ? Number(word) : word);
    const place = (x) => start + (end - start) * (kind === "log" ? Math.log(x / low) / Math.log(high / low) : (x - low) / (high - low));
    const stops = [...new Set(plot.curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
    const names = [...new Set(plot.curves.map((curve) => curve.name))];
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("class", "cursor");
    drawing.append(line);
    let at = -1;

    function value(curve, x) {
      let index = -1;
      while (index + 1 < curve.x.length && curve.x[index + 1] <= x) index += 1;
      if (index < 0) return null;
      const next = index + 1;
      if (curve.step || next === curve.x.length || curve.y[next] === null || curve.y[index] === null) return curve.y[index];
      const share = (x - curve.x[index]) / (curve.x[next] - curve.x[index]);
      return curve.y[index] + share * (curve.y[next] - curve.y[index]);
    }
    function range(curves, x) {
      const found = curves.map((curve) => value(curve, x)).filter((one) => one !== null);
      if (!found.length) return short(null);
      const [least, most] = [short(Math.min(...found)), short(Math.max(...found))];
      return least === most ? least : `${least} to ${most}`;
    }
    function stop(index) {
      at = Math.min(stops.length - 1, Math.max(0, index));
      line.setAttribute("d", `M${place(stops[at])} 24V230`);
      const values = names.map((name) => `${name} ${range(plot.curves.filter((curve) => curve.name === name), stops[at])}`).join(" · ");
      said.textContent = `At ${short(stops[at])} s: ${values} (${plot.y})`;
    }
    function leave() {
      line.removeAttribute("d");
      said.textContent = "";
    }
    drawing.addEventListener("pointermove", (event) => {
      const x = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse()).x;
      let nearest = 0;
      for (let index = 1; index < stops.length; index += 1) {
        if (Math.abs(place(stops[index]) - x) < Math.abs(place(stops[nearest]) - x)) nearest = index;
      }
      stop(nearest);
    });
    drawing.addEventListener("pointerleave", leave);
    drawing.addEventListener("blur", leave);
    drawing.addEventListener("keydown", (event) => {
      const far = Math.max(1, Math.round(stops.length / 20));
      const moves = { ArrowRight: at + 1, ArrowLeft: at - 1, PageUp: at + far, PageDown: at - far, Home: 0, End: stops.length - 1 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      stop(moves[event.key]);
    });
  }
  for (const [name, plot] of Object.entries(plots)) reader(document.getElementById(`plot-${name}`), plot);
})();
