const charts = new WeakMap();
const NARROWEST = 150; // pixels
const RETRY = 2000; // milliseconds
let library;
let attempts = 0;

function load(module) {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  return (library ??= (module ? imported(module) : appearance()).then(() => window.Plotly));
}

// A browser remembers a script that it could not get; another address makes it ask again.
function imported(module) {
  const address = new URL(module, document.baseURI);
  if (attempts++) address.searchParams.set("attempt", attempts);
  return import(address.href).catch((error) => {
    library = undefined;
    throw error;
  });
}

function appearance() {
  return new Promise((resolve) => {
    const watch = setInterval(() => window.Plotly && (clearInterval(watch), resolve()), 100);
  });
}

function theme(element) {
  const style = getComputedStyle(element);
  const read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  return {
    text: read("--st-text-color", "#222"),
    faint: read("--st-gray-text-color", "#667"),
    grid: read("--st-border-color", "#ddd"),
    page: read("--st-background-color", "#fff"),
    panel: read("--st-secondary-background-color", "#fff"),
    font: read("--st-font", "sans-serif"),
    colors: read("--st-chart-categorical-colors", "#0072b2,#d55e00,#009e73").split(","),
  };
}

function traces(figure, look) {
  return figure.series.flatMap((series, i) => {
    const x = series.x ?? figure.x;
    const color = look.colors[i % look.colors.length];
    const curve = {
      name: series.name, x, y: series.y, yaxis: series.right ? "y2" : "y",
      type: "scatter", mode: "lines+markers", connectgaps: false,
      line: { width: 2, dash: series.dash, color },
      marker: { symbol: series.marker, size: 7, maxdisplayed: 9, color },
      hovertemplate: "%{y:.4g}",
    };
    return series.band ? [area(series.band, x, color), curve] : [curve];
  });
}

// Between the lowest and the highest of several curves, whose mean is drawn over it.
function area([low, high], x, color) {
  return {
    x: [...x, ...[...x].reverse()], y: [...low, ...[...high].reverse()],
    type: "scatter", mode: "none", fill: "toself", fillcolor: color, opacity: 0.2,
    hoverinfo: "skip", showlegend: false,
  };
}

// Lines may lie close together, so their labels stand one beside the other.
function guides(figure, look) {
  const labels = figure.guides.map((guide, i) => ({
    text: guide.label, x: (i + 0.05) / figure.guides.length, xref: "paper", xanchor: "left", y: guide.y, yref: "y",
    yanchor: "bottom", showarrow: false, borderpad: 1, bgcolor: look.page, opacity: 0.85,
    font: { size: 11, color: look.text },
  }));
  const lines = figure.guides.map((guide) => ({
    type: "line", xref: "paper", x0: 0, x1: 1, yref: "y", y0: guide.y, y1: guide.y,
    line: { color: look.faint, width: 1.2, dash: "dash" },
  }));
  if (figure.cursor !== null) {
    lines.push({
      type: "line", xref: "x", x0: figure.cursor, x1: figure.cursor, yref: "paper", y0: 0, y1: 1,
      line: { color: look.text, width: 1.2, dash: "dot" },
    });
  }
  return { annotations: labels, shapes: lines };
}

function decades(figure) {
  const values = figure.series.flatMap((series) => series.y).filter((y) => y > 0);
  return Math.log10(Math.max(...values) / Math.min(...values));
}

// Where only the cursor has moved, the revision of the data tells Plotly that the curves may stay as they are.
function layout(data, look) {
  const { figure, height, revision } = data;
  const axis = { gridcolor: look.grid, zeroline: false, linecolor: look.grid, automargin: true };
  const title = (text) => ({ text, font: { size: 12, color: look.faint }, standoff: 6 });
  return {
    ...guides(figure, look), height, uirevision: revision, datarevision: JSON.stringify([figure.x, figure.series]),
    showlegend: true, hovermode: "x unified", dragmode: "zoom",
    margin: { l: 52, r: figure.titles.right ? 48 : 12, t: 30, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: look.font, size: 12, color: look.text },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 } },
    hoverlabel: { bgcolor: look.panel, font: { color: look.text } },
    xaxis: { ...axis, title: title(figure.titles.x), rangemode: "tozero" },
    yaxis: {
      ...axis, title: title(figure.titles.left), type: figure.log ? "log" : "linear",
      ...(figure.log ? { exponentformat: "power", dtick: decades(figure) > 1.5 ? 1 : "D2" } : {}),
    },
    yaxis2: {
      ...axis, title: title(figure.titles.right ?? ""), overlaying: "y", side: "right", showgrid: false,
      visible: Boolean(figure.titles.right), range: [-0.05, 1.05], tickvals: [0, 0.5, 1],
    },
  };
}

// Plotly refuses to draw where its axes have no room, as in a container that has not been laid out yet.
async function laidOut(root) {
  while (root.isConnected && root.clientWidth < NARROWEST) await new Promise(requestAnimationFrame);
}

// Plotly works in steps and must not be called again before it is done: what comes meanwhile waits, the newest only.
async function draw(root, state) {
  if (state.busy) {
    state.late = true;
    return;
  }
  state.busy = true;
  state.late = false;
  try {
    const plotly = await load(state.data.module);
    await laidOut(root);
    await show(plotly, root, state.data);
  } catch (error) {
    if (!state.gone) {
      console.error("The chart could not be drawn; its table has the numbers.", error);
      setTimeout(() => draw(root, state), RETRY);
    }
  }
  state.busy = false;
  if (state.gone) leave(root);
  else if (state.late) draw(root, state);
}

async function show(plotly, root, data) {
  const look = theme(root);
  const config = { displaylogo: false, displayModeBar: false };
  await plotly.react(root, traces(data.figure, look), { ...layout(data, look), width: root.clientWidth }, config);
  root.setAttribute("role", "img");
  root.setAttribute("aria-label", data.figure.alt);
  root.dataset.step = data.figure.x.at(-1) ?? 0;
}

function leave(root) {
  if (window.Plotly) window.Plotly.purge(root);
}

function begun(root, parentElement) {
  const state = { busy: false, late: false, gone: false };
  state.observer = new ResizeObserver(() => draw(root, state));
  charts.set(parentElement, state);
  return state;
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".live-plot");
  if (!root || !data) return;
  const state = charts.get(parentElement) ?? begun(root, parentElement);
  [state.data] = data;
  root.style.minHeight = state.data.height + "px";
  state.observer.observe(root);
  draw(root, state);
  return () => {
    state.gone = true;
    state.observer.disconnect();
    charts.delete(parentElement);
    if (!state.busy) leave(root);
  };
}
