// Modules such as anywidget lie beside this file.
require.config({ baseUrl: new URL("./", document.currentScript.src).href });
