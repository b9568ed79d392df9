// Compares images whose values travel with the widget; everything is drawn here, without Python. With a kernel the
// marked pixel, the line, the choice of images and the divider are told to Python, and Python may replace an image.
const SCALE = 2; // canvas pixels per CSS pixel, so that fine screens stay sharp
const MAX_ZOOM = 16;
const NEAR = 14; // CSS pixels within which a press takes hold of the divider
const COLD = [0, 114, 178]; // Okabe and Ito's blue and vermilion, told apart by every kind of colour vision
const WARM = [213, 94, 0];
const PROFILE = { width: 300, height: 220, left: 40, right: 6, top: 6, bottom: 32 };

function element(tag, className, parent, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

function decode({ name, data, low, step }) {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const values = Float64Array.from({ length: bytes.length / 2 }, (_, i) => low + step * view.getUint16(2 * i, true));
  return { name, values, step };
}

function raster([height, width], colour) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  for (let i = 0; i < height * width; i += 1) picture.data.set([...colour(i), 255], 4 * i);
  context.putImageData(picture, 0, 0);
  return canvas;
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function grey(values, [low, high]) {
  return (i) => {
    const level = Math.round(255 * clamp((values[i] - low) / (high - low), 0, 1));
    return [level, level, level];
  };
}

function diverging(a, b, top) {
  return (i) => {
    const t = clamp((a[i] - b[i]) / top, -1, 1);
    return (t < 0 ? COLD : WARM).map((c) => Math.round(255 + Math.abs(t) * (c - 255)));
  };
}

function choice(label, options, parent) {
  const row = element("label", "eiwork-choice", parent);
  element("span", "eiwork-name", row, label);
  const select = element("select", "eiwork-select", row);
  for (const text of options) element("option", "", select, text).value = text;
  select.setAttribute("aria-label", label);
  select.setAttribute("data-lm-suppress-shortcuts", "true");
  return select;
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  let shape = get("shape");
  let images = [];
  let rasters = new Map(); // name -> grey picture; "left\nright" -> difference
  let zoom = 1;
  let corner = [0, 0]; // row and column at the upper left corner of what is shown

  const root = element("div", "eiwork-widget eiwork-comparer", el);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", `${get("title")}. ${get("description")}`);
  element("div", "eiwork-title", root, get("title"));
  const names = get("images").map(({ name }) => name);
  const controls = element("div", "eiwork-controls", root);
  const selects = {
    view: choice("view", ["swipe", "side by side", "difference"], controls),
    left: choice("left", names, controls),
    right: choice("right", names, controls),
  };
  const body = element("div", "eiwork-body", root);
  const stage = element("div", "eiwork-stage", body);
  const panels = [0, 1].map((k) => {
    const panel = element("div", "eiwork-panel", stage);
    const canvas = element("canvas", "eiwork-canvas", panel);
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-roledescription", "image");
    // JupyterLab's command mode would take the keys.
    canvas.setAttribute("data-lm-suppress-shortcuts", "true");
    const tags = [element("span", "eiwork-tag", panel), element("span", "eiwork-tag eiwork-tag-right", panel)];
    return { k, panel, canvas, tags };
  });
  const side = element("div", "eiwork-side", body);
  selects.line = choice("values along", ["row", "column"], side);
  const chart = element("div", "eiwork-panels eiwork-profile", side);
  chart.setAttribute("role", "img");
  const legend = element("ul", "eiwork-legend", side);
  const strip = element("div", "eiwork-controls", root);
  const dividerRow = element("label", "eiwork-row eiwork-divider", strip);
  element("span", "eiwork-name", dividerRow, "divider");
  const divider = element("input", "eiwork-slider", dividerRow);
  Object.assign(divider, { type: "range", min: 0, max: 100, step: 1 });
  divider.setAttribute("aria-label", "divider between the two images");
  divider.setAttribute("data-lm-suppress-shortcuts", "true");
  const zoomRow = element("div", "eiwork-choice eiwork-zoom", strip);
  element("span", "eiwork-name", zoomRow, "zoom");
  const button = (text, label, act) => {
    const node = element("button", "eiwork-button", zoomRow, text);
    node.type = "button";
    node.setAttribute("aria-label", label);
    node.setAttribute("data-lm-suppress-shortcuts", "true");
    node.addEventListener("click", act);
  };
  button("−", "zoom out", () => zoomBy(0.5));
  const level = element("output", "eiwork-level", zoomRow);
  button("+", "zoom in", () => zoomBy(2));
  button("all", "show the whole image", () => zoomBy(0));
  const caption = element("div", "eiwork-caption", root);
  caption.setAttribute("aria-live", "polite");

  const named = (name) => images.find((image) => image.name === name);
  const span = () => [shape[0] / zoom, shape[1] / zoom];
  const number = (value) => {
    const step = Math.max(...images.map((image) => image.step), 1e-9);
    return value.toFixed(clamp(Math.floor(-Math.log10(step)), 0, 6)).replace("-", "−");
  };

  function load() {
    shape = get("shape");
    images = get("images").map(decode);
    rasters = new Map();
    for (const { canvas } of panels) {
      canvas.width = SCALE * get("width");
      canvas.height = Math.round((canvas.width * shape[0]) / shape[1]);
      canvas.style.width = `${get("width")}px`;
    }
    draw();
  }

  function picture(name, other) {
    const key = other === undefined ? name : `${name}\n${other}`;
    if (!rasters.has(key)) {
      const colour = other === undefined
        ? grey(named(name).values, get("value_range"))
        : diverging(named(name).values, named(other).values, get("difference_range"));
      rasters.set(key, raster(shape, colour));
    }
    return rasters.get(key);
  }

  function paint(context, source, from, to) {
    const { width, height } = context.canvas;
    const [rows, columns] = span();
    context.save();
    context.beginPath();
    context.rect(from * width, 0, (to - from) * width, height);
    context.clip();
    context.imageSmoothingEnabled = false;
    context.drawImage(source, corner[1], corner[0], columns, rows, 0, 0, width, height);
    context.restore();
  }

  // A light line on a dark one is seen on every picture.
  function stroke(context, draw, dashed) {
    for (const [colour, thick] of [["#000000", 2.5], ["#ffffff", 1]]) {
      context.strokeStyle = colour;
      context.lineWidth = thick * SCALE;
      context.setLineDash(dashed && colour === "#ffffff" ? [4 * SCALE, 4 * SCALE] : []);
      context.globalAlpha = dashed && colour === "#000000" ? 0.4 : 1;
      context.beginPath();
      draw();
      context.stroke();
    }
    context.globalAlpha = 1;
    context.setLineDash([]);
  }

  function mark(context) {
    const { width, height } = context.canvas;
    const size = width / span()[1];
    const [x, y] = [1, 0].map((axis) => (get("cursor")[axis] - corner[axis]) * size);
    const across = get("line") === "row" ? [0, y + size / 2, width, y + size / 2] : [x + size / 2, 0, x + size / 2, height];
    stroke(context, () => { context.moveTo(across[0], across[1]); context.lineTo(across[2], across[3]); }, true);
    stroke(context, () => context.rect(x, y, size, size), false);
  }

  function drawImages() {
    const { view, left, right, divider: at } = Object.fromEntries(
      ["view", "left", "right", "divider"].map((name) => [name, get(name)]),
    );
    panels[1].panel.hidden = view !== "side by side";
    for (const { k, canvas, tags } of panels) {
      if (k === 1 && view !== "side by side") continue;
      const context = canvas.getContext("2d");
      const texts = { swipe: [left, right], "side by side": [k === 0 ? left : right, ""], difference: [`${left} − ${right}`, ""] }[view];
      if (view === "difference") paint(context, picture(left, right), 0, 1);
      else if (view === "side by side") paint(context, picture(k === 0 ? left : right), 0, 1);
      else {
        paint(context, picture(left), 0, at);
        paint(context, picture(right), at, 1);
      }
      mark(context);
      if (view === "swipe") {
        const x = at * canvas.width;
        stroke(context, () => { context.moveTo(x, 0); context.lineTo(x, canvas.height); }, false);
        context.fillStyle = "#ffffff";
        context.beginPath();
        context.arc(x, canvas.height / 2, 7 * SCALE, 0, 2 * Math.PI);
        context.fill();
        context.strokeStyle = "#000000";
        context.stroke();
      }
      tags.forEach((tag, j) => { tag.textContent = texts[j]; tag.hidden = !texts[j]; });
      canvas.setAttribute("aria-label", `${view === "swipe" ? `${left} on the left of a divider, ${right} on its right` : texts[0]}. `
        + "Arrow keys move the marked pixel, plus and minus zoom, 0 shows the whole image.");
    }
  }

  function drawProfile() {
    const [row, column] = get("cursor");
    const along = get("line") === "row" ? 1 : 0; // the axis that the line runs along
    const first = Math.max(0, Math.floor(corner[along]));
    const last = Math.min(shape[along] - 1, Math.ceil(corner[along] + span()[along]) - 1);
    const at = (k) => (along === 1 ? row * shape[1] + k : k * shape[1] + column);
    const positions = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const curves = images.map(({ values }) => positions.map((k) => values[at(k)]));
    const [y0, y1] = range(curves.flat());
    const { width, height, left, right, top, bottom } = PROFILE;
    const px = (k) => left + ((k - first) / Math.max(1, last - first)) * (width - left - right);
    const py = (v) => height - bottom - ((v - y0) / (y1 - y0)) * (height - top - bottom);
    chart.replaceChildren();
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, chart);
    svg("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom, class: "eiwork-frame" }, drawing);
    for (const k of ticks(first, last, 6).filter(Number.isInteger)) {
      svg("text", { x: px(k), y: height - bottom + 14, "text-anchor": "middle" }, drawing, String(k));
    }
    for (const v of ticks(y0, y1, 4)) {
      svg("line", { x1: left, x2: width - right, y1: py(v), y2: py(v), class: "eiwork-grid" }, drawing);
      svg("text", { x: left - 5, y: py(v) + 4, "text-anchor": "end" }, drawing, format(v).replace("-", "−"));
    }
    svg("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, drawing,
      along === 1 ? `column (row ${row})` : `row (column ${column})`);
    const here = px(along === 1 ? column : row);
    svg("line", { x1: here, x2: here, y1: top, y2: height - bottom, class: "eiwork-baseline" }, drawing);
    curves.forEach((curve, i) => {
      const path = curve.map((v, j) => `${j ? "L" : "M"}${px(positions[j]).toFixed(1)},${py(v).toFixed(1)}`).join("");
      svg("path", { d: path, class: `eiwork-curve eiwork-series-${i}` }, drawing);
    });
    const ends = images.map(({ name }, i) => `${name} from ${number(Math.min(...curves[i]))} to ${number(Math.max(...curves[i]))}`);
    chart.setAttribute("aria-label", `Values along ${along === 1 ? `row ${row}` : `column ${column}`}: ${ends.join("; ")}.`);
  }

  function drawTexts() {
    const [row, column] = get("cursor");
    const here = row * shape[1] + column;
    legend.replaceChildren();
    images.forEach(({ name, values }, i) => {
      const item = element("li", "", legend);
      const key = svg("svg", { viewBox: "0 0 34 10", class: "eiwork-key", "aria-hidden": "true" }, item);
      svg("path", { d: "M0,5L34,5", class: `eiwork-curve eiwork-series-${i}` }, key);
      element("span", "eiwork-name", item, name);
      element("output", "eiwork-value", item, number(values[here]));
    });
    const [left, right] = [named(get("left")), named(get("right"))];
    let text = `Row ${row}, column ${column}: ${left.name} − ${right.name} = ${number(left.values[here] - right.values[here])}`;
    if (get("view") === "difference") {
      text += `. Blue is −${number(get("difference_range"))} and below, white 0, orange ${number(get("difference_range"))} and above`;
    }
    caption.textContent = `${text}.`;
    level.textContent = `${zoom} ×`;
    for (const [name, select] of Object.entries(selects)) select.value = get(name);
    divider.value = Math.round(100 * get("divider"));
    divider.setAttribute("aria-valuetext", `${Math.round(100 * get("divider"))} % ${left.name}`);
    dividerRow.hidden = get("view") !== "swipe";
  }

  function draw() {
    drawImages();
    drawProfile();
    drawTexts();
  }

  function put(name, value) {
    model.set(name, value); // draws through the model's change event
    model.save_changes();
  }

  function see(place) {
    corner = corner.map((c, axis) => clamp(place(c, axis), 0, shape[axis] - span()[axis]));
  }

  // Zoom about the marked pixel; factor 0 shows everything.
  function zoomBy(factor) {
    zoom = factor === 0 ? 1 : clamp(zoom * factor, 1, MAX_ZOOM);
    see((_, axis) => Math.round(get("cursor")[axis] + 0.5 - span()[axis] / 2));
    draw();
  }

  function moveTo(row, column) {
    const cursor = [clamp(row, 0, shape[0] - 1), clamp(column, 0, shape[1] - 1)];
    see((c, axis) => clamp(c, cursor[axis] + 1 - span()[axis], cursor[axis]));
    put("cursor", cursor);
  }

  function keyed(event) {
    const [row, column] = get("cursor");
    const far = event.shiftKey ? 8 : 1;
    const act = {
      ArrowUp: () => moveTo(row - far, column),
      ArrowDown: () => moveTo(row + far, column),
      ArrowLeft: () => moveTo(row, column - far),
      ArrowRight: () => moveTo(row, column + far),
      "+": () => zoomBy(2),
      "=": () => zoomBy(2),
      "-": () => zoomBy(0.5),
      0: () => zoomBy(0),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  for (const { canvas } of panels) {
    let drag = null; // "divider", "pixel", or the place where a move of the zoomed image began
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, box.width];
    };
    const pixelAt = ([x, y]) => [corner[0] + y * span()[0], corner[1] + x * span()[1]].map(Math.floor);
    canvas.addEventListener("pointerdown", (event) => {
      const [x, y, size] = place(event);
      canvas.setPointerCapture(event.pointerId);
      canvas.focus({ preventScroll: true });
      const near = get("view") === "swipe" && Math.abs(x - get("divider")) * size < NEAR;
      drag = near ? "divider" : zoom > 1 ? { x, y, corner, moved: false } : "pixel";
      if (drag === "pixel") moveTo(...pixelAt([x, y]));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (drag === null) return;
      const [x, y, size] = place(event);
      if (drag === "divider") put("divider", clamp(x, 0, 1));
      else if (drag === "pixel") moveTo(...pixelAt([x, y]));
      else if (drag.moved || Math.hypot(x - drag.x, y - drag.y) * size > 4) {
        drag.moved = true;
        see((_, axis) => drag.corner[axis] - (axis === 0 ? y - drag.y : x - drag.x) * span()[axis]);
        draw();
      }
    });
    canvas.addEventListener("pointerup", (event) => {
      if (drag !== null && drag.moved === false) moveTo(...pixelAt(place(event)));
      drag = null;
    });
    canvas.addEventListener("pointercancel", () => { drag = null; });
    canvas.addEventListener("keydown", keyed);
    canvas.addEventListener("wheel", (event) => {
      // A page must scroll past the picture: the wheel zooms only what was clicked, or with Ctrl.
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      zoomBy(event.deltaY < 0 ? 2 : 0.5);
    }, { passive: false });
  }
  for (const [name, select] of Object.entries(selects)) select.addEventListener("change", () => put(name, select.value));
  divider.addEventListener("input", () => put("divider", Number(divider.value) / 100));

  const follow = "change:left change:right change:view change:divider change:cursor change:line";
  model.on(follow, draw);
  model.on("change:images", load);
  load();
  return () => {
    model.off(follow, draw);
    model.off("change:images", load);
  };
}

export default { render };
