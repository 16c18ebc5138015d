// The time axis that all pictures share: one zoom, one scroll position. Scrolling is the browser's own, so fingers and wheels just work.

const PIXELS_PER_SECOND = 110; // at least, before anybody zooms
const NEARLY_ALL = 2; // a clip that would need less than so many widths is shown whole: on a phone nothing would tell that it goes on
const CLOSEST = 0.12; // seconds across the picture at the highest zoom

function createAxis(duration) {
  const scrollers = []; // [{scroller, inner}]
  const listeners = new Set();
  let zoom = 1, width = 0, left = 0, isPending = false;

  const furthest = () => Math.max(1, duration / CLOSEST);
  const visible = () => { const total = Math.max(1, width * zoom); return [(left / total) * duration, ((left + width) / total) * duration]; };

  function redraw() {
    if (isPending) return;
    isPending = true;
    requestAnimationFrame(() => { isPending = false; for (const listener of listeners) listener(); });
  }

  function place() {
    for (const { scroller, inner } of scrollers) {
      inner.style.width = `${width * zoom}px`;
      if (Math.abs(scroller.scrollLeft - left) > 0.5) scroller.scrollLeft = left;
    }
  }

  function scrollTo(position) {
    left = Math.min(Math.max(0, position), Math.max(0, width * zoom - width));
    place();
    redraw();
  }

  function zoomTo(wanted, anchor = null) {
    const [start, end] = visible();
    const at = anchor ?? (start + end) / 2;
    const share = end > start ? (at - start) / (end - start) : 0.5;
    zoom = Math.min(Math.max(1, wanted), furthest());
    scrollTo((at / duration) * width * zoom - share * width);
  }

  function add(scroller, inner) {
    scrollers.push({ scroller, inner });
    scroller.addEventListener("scroll", () => {
      if (Math.abs(scroller.scrollLeft - left) < 1) return;
      left = scroller.scrollLeft;
      place();
      redraw();
    }, { passive: true });
    scroller.addEventListener("wheel", (event) => { // a pinch on a touchpad arrives as a wheel with Ctrl
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoomTo(zoom * Math.exp(-event.deltaY * 0.01), timeAt(event.clientX, scroller));
    }, { passive: false });
    addPinch(scroller);
    if (width) place(); // the others know their width already
  }

  function addPinch(scroller) {
    const fingers = new Map();
    let begun = null; // {distance, zoom}
    const distance = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a.x - b.x, a.y - b.y); };
    const lift = (event) => { fingers.delete(event.pointerId); begun = null; };
    scroller.addEventListener("touchmove", (event) => { if (event.touches.length > 1) event.preventDefault(); }, { passive: false });
    scroller.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "touch") return;
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (fingers.size === 2) begun = { distance: distance(), zoom };
    });
    scroller.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (!begun || fingers.size !== 2) return;
      const middle = [...fingers.values()].reduce((sum, finger) => sum + finger.x / 2, 0);
      zoomTo(begun.zoom * (distance() / Math.max(begun.distance, 10)), timeAt(middle, scroller));
    });
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) scroller.addEventListener(name, lift);
  }

  function timeAt(clientX, scroller) {
    const box = scroller.getBoundingClientRect();
    const [start, end] = visible();
    return Math.min(Math.max(0, start + ((clientX - box.left) / Math.max(1, box.width)) * (end - start)), duration);
  }

  return {
    add, visible, zoomTo, timeAt, redraw,
    zoom: () => zoom,
    width: () => width,
    zoomBy: (factor, anchor) => zoomTo(zoom * factor, anchor),
    toX: (time) => (time / duration) * width * zoom - left,
    // the width that the pictures have got; the first one decides how much is shown at first
    resize: (wanted) => {
      if (wanted <= 0 || wanted === width) return;
      const [isFirst, start] = [width === 0, width ? visible()[0] : 0];
      width = wanted;
      if (isFirst && duration * PIXELS_PER_SECOND > NEARLY_ALL * width) zoom = Math.min((duration * PIXELS_PER_SECOND) / width, furthest());
      scrollTo((start / duration) * width * zoom);
    },
    // scrolls as little as needed to show a span
    reveal: ([from, to]) => {
      const [start, end] = visible();
      if (from >= start && to <= end) return;
      scrollTo((((from + to) / 2) / duration) * width * zoom - width / 2);
    },
    // a span, or everything, with some room at its sides
    fit: (span) => {
      if (!span) { zoom = 1; scrollTo(0); return; }
      const length = Math.max(CLOSEST, (span[1] - span[0]) * 1.6);
      zoom = Math.min(Math.max(1, duration / length), furthest());
      scrollTo((((span[0] + span[1]) / 2) / duration) * width * zoom - width / 2);
    },
    subscribe: (listener) => { listeners.add(listener); },
  };
}

// Round steps for the ticks of an axis: about `count` of them from low to high.
function listTicks(low, high, count) {
  const rough = Math.max((high - low) / Math.max(1, count), 1e-9);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? 10 * power;
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9; i++) ticks.push(i * step);
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}
