// Draws every plotly figure whose description is on the page.
document.addEventListener("DOMContentLoaded", () => {
  for (const div of document.querySelectorAll(".eiwork-plotly")) {
    const figure = JSON.parse(div.querySelector("script").textContent);
    const host = document.createElement("div");
    div.appendChild(host);
    Plotly.newPlot(host, figure.data, figure.layout, { responsive: true, displaylogo: false }).then(() => {
      if (figure.frames) Plotly.addFrames(host, figure.frames);
    });
  }
});
