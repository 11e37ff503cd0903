// Draws every figure into its place. Without scripts, and on paper, there is a picture of it instead.
document.documentElement.classList.add("scripted");
const figures = JSON.parse(document.getElementById("figures").textContent);
const paper = {
  autosize: true,
  height: 340,
  margin: { l: 62, r: 16, t: 12, b: 52 },
  paper_bgcolor: "#ffffff",
  plot_bgcolor: "#ffffff",
  font: { family: "system-ui, sans-serif", size: 13, color: "#1b1f23" },
  legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
};
const axis = { gridcolor: "#e3e6ea", linecolor: "#8a9099", zeroline: false, automargin: true };
const options = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["sendDataToCloud", "toImage"] };
const places = [...document.querySelectorAll("[data-figure]")];
for (const place of places) {
  const { data, layout } = figures[Number(place.dataset.figure)];
  const axes = { xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis } };
  Plotly.newPlot(place, data, { ...paper, ...axes, showlegend: data.length > 1 }, options);
}
