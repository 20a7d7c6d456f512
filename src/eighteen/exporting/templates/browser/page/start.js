// Runs even where nothing else may: of a page that was opened by a double click, a browser loads neither the
// modules nor the model.
if (location.protocol === "file:") {
  const folder = decodeURIComponent(location.pathname).replace(/\/[^/]*$/, "");
  const notice = document.getElementById("notice");
  notice.innerHTML = `<h2>One more step</h2>
    <p>A browser does not let a page that was opened as a file load a model. Let this folder be served instead, on your
    own machine. No connection is needed.</p>
    <pre></pre>
    <p>Then open <a href="http://127.0.0.1:8000/">http://127.0.0.1:8000/</a>. Any other static web server does as well.</p>`;
  notice.querySelector("pre").textContent = `cd "${folder}"\npython3 -m http.server 8000 --bind 127.0.0.1`;
  notice.hidden = false;
  document.body.dataset.state = "stopped";
}
