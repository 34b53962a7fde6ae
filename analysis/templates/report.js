(() => {
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const font = getComputedStyle(document.body).fontFamily;

  function traces(plot) {
    return plot.traces.map(({ role, ...trace }) => {
      const own = color(`--c-${role}`);
      const marker = { color: own, size: 5 };
      return { ...trace, line: { ...trace.line, color: own, width: 2 }, marker, fillcolor: own + "66" };
    });
  }

  function layout(plot) {
    const axis = {
      gridcolor: color("--rule"), linecolor: color("--rule"), zeroline: false, automargin: true, fixedrange: true,
    };
    const named = (own) => ({ ...axis, ...own, title: { ...own.title, font: { size: 12 }, standoff: 8 } });
    return {
      ...plot.layout,
      xaxis: named(plot.layout.xaxis), yaxis: named(plot.layout.yaxis),
      font: { family: font, size: 12, color: color("--quiet") },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 8, r: 12, t: 26, b: 8 }, bargap: 0.12, hovermode: "x unified",
      hoverlabel: { bgcolor: color("--paper"), bordercolor: color("--rule"), font: { color: color("--ink") } },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", xanchor: "left" },
    };
  }

  function draw() {
    for (const plot of plots) {
      const place = document.getElementById(`plot-${plot.name}`);
      Plotly.react(place, traces(plot), layout(plot), { responsive: true, displayModeBar: false });
      const drawn = place.querySelector(".main-svg");
      place.style.setProperty("--ratio", `${drawn.getAttribute("width")} / ${drawn.getAttribute("height")}`);
    }
  }

  // Paper is narrower than the window, and printing does not wait for a new layout: the drawings are scaled instead.
  function scaleToPaper(printing) {
    for (const drawing of document.querySelectorAll(".plot .main-svg")) {
      if (printing) drawing.setAttribute("viewBox", `0 0 ${drawing.getAttribute("width")} ${drawing.getAttribute("height")}`);
      else drawing.removeAttribute("viewBox");
    }
  }

  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  matchMedia("print").addEventListener("change", (media) => {
    draw();
    scaleToPaper(media.matches);
  });
})();
