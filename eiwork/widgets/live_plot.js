// Draws each panel as an SVG line chart from the points in the widget's state; needs no Python to show a past run.
const SIZE = { width: 340, height: 210, left: 52, right: 10, top: 24, bottom: 36 };

function drawPanel(panel, xLabel, host) {
  const { width, height, left, right, top, bottom } = SIZE;
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, host);
  svg("text", { x: left, y: 14, "font-weight": "600" }, chart, panel.label);
  svg("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom, class: "eiwork-frame" }, chart);
  svg("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, chart, xLabel);
  const seen = panel.points.filter(([, y]) => y !== null);
  if (seen.length === 0) {
    svg("text", { x: (left + width - right) / 2, y: height / 2, "text-anchor": "middle" }, chart, "no values yet");
    return;
  }
  const scale = panel.log ? Math.log10 : (v) => v;
  const [x0, x1] = range(seen.map(([x]) => x));
  const [y0, y1] = range(seen.map(([, y]) => scale(y)));
  const px = (x) => left + ((x - x0) / (x1 - x0)) * (width - left - right);
  const py = (s) => height - bottom - ((s - y0) / (y1 - y0)) * (height - top - bottom);
  for (const x of ticks(x0, x1, 5)) {
    svg("text", { x: px(x), y: height - bottom + 14, "text-anchor": "middle" }, chart, format(x));
  }
  for (const s of ticks(y0, y1, 4)) {
    svg("line", { x1: left, x2: width - right, y1: py(s), y2: py(s), class: "eiwork-grid" }, chart);
    svg("text", { x: left - 5, y: py(s) + 4, "text-anchor": "end" }, chart, format(panel.log ? 10 ** s : s));
  }
  let path = "";
  let pen = "M";
  for (const [x, y] of panel.points) {
    // A quantity measured now and then has gaps only where its value was not finite.
    if (y === null) { pen = "M"; continue; }
    path += `${pen}${px(x).toFixed(1)},${py(scale(y)).toFixed(1)}`;
    pen = "L";
  }
  svg("path", { d: path, class: "eiwork-line" }, chart);
  const [lastX, lastY] = seen[seen.length - 1];
  svg("circle", { cx: px(lastX), cy: py(scale(lastY)), r: 3.5, class: "eiwork-dot" }, chart);
}

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "eiwork-widget eiwork-live-plot";
  const title = document.createElement("div");
  title.className = "eiwork-title";
  const panels = document.createElement("div");
  panels.className = "eiwork-panels";
  panels.setAttribute("role", "img");
  root.append(title, panels);
  el.appendChild(root);

  function draw() {
    title.textContent = model.get("title");
    panels.setAttribute("aria-label", model.get("alt"));
    panels.replaceChildren();
    for (const panel of model.get("panels")) drawPanel(panel, model.get("x_label"), panels);
  }
  model.on("change:panels change:alt", draw);
  draw();
  return () => model.off("change:panels change:alt", draw);
}

export default { render };
