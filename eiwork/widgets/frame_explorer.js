// Shows one picture of a grid that travels with the widget. Everything works without Python; when a kernel
// answers "alive", the sliders also stop between grid points and ask Python for the picture there.
const SUBSTEPS = 4;
const REST_MS = 120; // a slider that rests this long asks for its picture

function element(tag, className, parent) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (parent) parent.appendChild(node);
  return node;
}

function render({ model, el }) {
  const axes = model.get("axes");
  const root = element("div", "eiwork-widget eiwork-explorer", el);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", `${model.get("title")}. ${model.get("description")}`);
  element("div", "eiwork-title", root).textContent = model.get("title");
  const image = element("img", "eiwork-picture dark-light", root);
  image.style.width = `${model.get("width")}px`;
  image.addEventListener("load", () => {
    image.classList.toggle("eiwork-pixels", image.naturalWidth < model.get("width"));
  });
  const caption = element("div", "eiwork-caption", root);
  caption.setAttribute("aria-live", "polite");

  let timer = null;
  let wanted = null; // the index Python was asked for last; older answers are dropped

  const sliders = axes.map((axis, k) => {
    const row = element("label", "eiwork-row", root);
    element("span", "eiwork-name", row).textContent = axis.name;
    const input = element("input", "eiwork-slider", row);
    input.type = "range";
    input.min = 0;
    input.max = axis.labels.length - 1;
    input.step = 1;
    input.setAttribute("aria-label", axis.name);
    // JupyterLab's command mode would take the arrow keys.
    input.setAttribute("data-lm-suppress-shortcuts", "true");
    const value = element("output", "eiwork-value", row);
    input.addEventListener("input", () => moved());
    return { input, value, axis };
  });

  const place = () => sliders.map(({ input }) => Number(input.value));
  const gridCell = (index) => index.map((v) => Math.round(v));
  const onGrid = (index) => index.every(Number.isInteger);
  const pictureAt = (index) => {
    const cell = gridCell(index);
    return model.get("pictures")[cell.length === 2 ? cell[0] : 0][cell[cell.length - 1]];
  };

  function draw(picture, labels, note) {
    image.src = picture.src;
    image.alt = picture.alt;
    caption.textContent = note ? `${picture.caption} (${note})` : picture.caption;
    sliders.forEach(({ input, value }, k) => {
      value.textContent = labels[k];
      input.setAttribute("aria-valuetext", labels[k]);
    });
  }

  function drawGrid(index, note) {
    const cell = gridCell(index);
    draw(pictureAt(index), sliders.map(({ axis }, k) => axis.labels[cell[k]]), note);
  }

  function moved() {
    const index = place();
    clearTimeout(timer);
    wanted = null;
    if (onGrid(index)) {
      drawGrid(index);
      model.set("index", index);
      model.save_changes();
      return;
    }
    drawGrid(index, "nearest precomputed picture; computing this one");
    timer = setTimeout(() => {
      wanted = JSON.stringify(index);
      model.send({ kind: "compute", index });
    }, REST_MS);
  }

  function fromModel() {
    const index = model.get("index");
    sliders.forEach(({ input }, k) => { input.value = index[k]; });
    drawGrid(index);
  }

  function answered(message) {
    if (message.kind === "alive") {
      sliders.forEach(({ input }) => { input.step = 1 / SUBSTEPS; });
      return;
    }
    if (JSON.stringify(message.index) !== wanted) return;
    if (message.kind === "frame") draw(message.picture, message.labels);
    if (message.kind === "failed") drawGrid(message.index, `this one failed: ${message.text}`);
  }

  model.on("change:index", fromModel);
  model.on("msg:custom", answered);
  fromModel();
  model.send({ kind: "hello" });
  return () => {
    clearTimeout(timer);
    model.off("change:index", fromModel);
    model.off("msg:custom", answered);
  };
}

export default { render };
