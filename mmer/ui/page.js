// Links player, timeline and text; Ctrl+Enter analyses. No library, no request.
(() => {
  const find = (selector) => document.querySelector(selector);
  let stopAt = null;

  const audio = () => find("#player audio");
  const graph = () => find("#timeline .js-plotly-plot");

  function play(start, end) {
    const player = audio();
    if (!player) return;
    stopAt = end ?? null;
    player.currentTime = Math.max(0, start);
    player.play();
    requestAnimationFrame(follow);
  }

  function drawHead() {
    const player = audio(), plot = graph();
    if (!player || !plot || !plot._fullLayout || !plot._fullLayout.xaxis) return;
    let line = plot.querySelector(".mm-head");
    if (!line) {
      line = document.createElement("div");
      line.className = "mm-head";
      plot.appendChild(line);
    }
    const axis = plot._fullLayout.xaxis, size = plot._fullLayout._size;
    const x = axis.l2p(player.currentTime);
    const inside = x >= 0 && x <= axis._length && (player.currentTime > 0 || !player.paused);
    Object.assign(line.style, { display: inside ? "block" : "none", left: `${axis._offset + x}px`, top: `${size.t}px`, height: `${size.h}px` });
  }

  function markWords() {
    const now = audio()?.currentTime ?? -1;
    const playing = audio() && !audio().paused;
    document.querySelectorAll("#strip [data-start]").forEach((word) => {
      word.classList.toggle("mm-now", playing && now >= Number(word.dataset.start) && now < Number(word.dataset.end));
    });
  }

  function follow() {
    const player = audio();
    if (!player) return;
    if (stopAt !== null && player.currentTime >= stopAt) {
      player.pause();
      stopAt = null;
    }
    drawHead();
    markWords();
    if (!player.paused) requestAnimationFrame(follow);
  }

  function enhance() {
    const plot = graph();
    if (plot && plot.on && !plot.dataset.linked) {
      plot.dataset.linked = "yes";
      plot.on("plotly_click", (event) => {
        const point = event.points[0];
        const [start, end] = point.customdata ?? [point.x, null];
        play(start, end);
      });
      plot.on("plotly_relayout", drawHead);
    }
    if (window.matchMedia("(pointer: coarse)").matches && window.Plotly) {
      document.querySelectorAll(".js-plotly-plot:not([data-touch])").forEach((one) => {
        one.dataset.touch = "yes"; // a finger scrolls the page instead of zooming
        window.Plotly.relayout(one, { dragmode: false });
      });
    }
    const player = audio();
    if (player && !player.dataset.linked) {
      player.dataset.linked = "yes";
      player.addEventListener("play", () => requestAnimationFrame(follow));
      player.addEventListener("seeked", follow);
      player.addEventListener("pause", () => { stopAt = null; follow(); });
    }
  }

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      // the text box hands its last letters over when it loses the focus
      document.activeElement?.blur?.();
      setTimeout(() => find("#analyse")?.click(), 60);
      event.preventDefault();
    }
  });

  document.addEventListener("click", (event) => {
    const word = event.target.closest?.("#strip [data-start]");
    if (word) play(Number(word.dataset.start), Number(word.dataset.end));
  });

  new MutationObserver(enhance).observe(document.documentElement, { childList: true, subtree: true });

  window.mmer = {
    // after a result: on a narrow page it lies below the inputs
    reveal: () => setTimeout(() => {
      if (window.innerWidth <= 900) find("#verdict")?.scrollIntoView({ block: "start" });
    }, 150),
    download: () => setTimeout(() => (find("#download a") ?? find("a#download") ?? find("#download"))?.click(), 200),
  };
})();
