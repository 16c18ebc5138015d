// The list of utterances: only the rows in sight are elements, so that 50,000 stay smooth. Arrows go on, space plays, Enter shows all columns, o opens.
(() => {
  const HEIGHT = 56; // pixels of a row, as errors.css has it
  const SPARE = 6; // rows above and below what is seen

  const { make } = window.mmerViews;

  // draw(row): the element of a row's content; choose(row): it became the current one; play(row); details(row); open(row);
  // press(key): n, t, d or c
  function makeList(label, { draw, choose, play, details, open, press }) {
    const space = make("div", { class: "me-space", role: "presentation" });
    const element = make("div", { class: "me-list", role: "listbox", tabindex: "0", "aria-label": label }, space);
    let rows = [];
    let at = 0; // place of the current row
    const shown = new Map(); // place -> element

    function fill(wanted, { keep = null } = {}) {
      rows = wanted;
      at = Math.max(0, keep === null ? 0 : rows.indexOf(keep));
      space.style.height = `${Math.max(1, rows.length) * HEIGHT}px`;
      for (const one of shown.values()) one.remove();
      shown.clear();
      element.scrollTop = Math.max(0, at * HEIGHT - element.clientHeight / 2);
      render();
    }

    function render() {
      const first = Math.max(0, Math.floor(element.scrollTop / HEIGHT) - SPARE);
      const last = Math.min(rows.length, Math.ceil((element.scrollTop + (element.clientHeight || 600)) / HEIGHT) + SPARE);
      for (const [place, one] of shown) if (place < first || place >= last) { one.remove(); shown.delete(place); }
      for (let place = first; place < last; place++) if (!shown.has(place)) add(place);
      mark();
    }

    function add(place) {
      const option = make("div", {
        class: "me-row", role: "option", id: `me-row-${place}`, "aria-posinset": place + 1, "aria-setsize": rows.length,
      }, draw(rows[place]));
      option.style.top = `${place * HEIGHT}px`;
      option.addEventListener("click", (event) => {
        go(place);
        if (event.target instanceof Element && event.target.closest(".me-play")) play(rows[place]);
      });
      shown.set(place, option);
      space.append(option);
    }

    function mark() {
      for (const [place, one] of shown) one.setAttribute("aria-selected", String(place === at));
      if (shown.has(at)) element.setAttribute("aria-activedescendant", `me-row-${at}`);
      else element.removeAttribute("aria-activedescendant");
    }

    function go(place) {
      if (!rows.length) return;
      at = Math.min(Math.max(0, place), rows.length - 1);
      const top = at * HEIGHT;
      if (top < element.scrollTop) element.scrollTop = top;
      else if (top + HEIGHT > element.scrollTop + element.clientHeight) element.scrollTop = top + HEIGHT - element.clientHeight;
      render();
      choose(rows[at]);
    }

    element.addEventListener("scroll", render, { passive: true });
    new ResizeObserver(render).observe(element);
    element.addEventListener("keydown", (event) => {
      const page = Math.max(1, Math.floor(element.clientHeight / HEIGHT) - 1);
      const steps = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: rows.length - 1 };
      if (event.ctrlKey || event.metaKey || event.altKey || event.target !== element) return;
      if (event.key in steps) go(steps[event.key]);
      else if (event.key === " ") { if (rows.length) play(rows[at]); }
      else if (event.key === "Enter") { if (rows.length) details(rows[at]); }
      else if (event.key === "o") { if (rows.length) open(rows[at]); }
      else if ("ntdc".includes(event.key)) { if (rows.length) press(event.key); }
      else return;
      event.preventDefault();
    });
    const refresh = (row) => { const place = rows.indexOf(row); shown.get(place)?.replaceChildren(draw(row)); };
    return { element, fill, refresh, go: (step) => go(at + step), current: () => (rows.length ? rows[at] : null), focus: () => element.focus() };
  }

  window.mmerRows = { makeList };
})();
