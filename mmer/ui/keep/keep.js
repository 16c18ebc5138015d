// Compare, keep, share: a link that opens an example as it is shown, e.g. ?example=1-librivox-young-man&emotion=sadness&select=W3&role=late
(() => {
  const texts = window.mmerTexts;
  const DIRECTIONS = ["text_to_speech", "speech_to_text"];
  const main = () => window.mmerViews.find(document.querySelector("#views .mv-place"));
  // "W3" is the third word; the segments of every unit count from 1
  function pick(handle, text) {
    const [, unit, number] = /^([A-Z])(\d{1,6})$/.exec(text ?? "") ?? [];
    const index = Number(number) - 1;
    if (!unit || index < 0 || index >= (handle.payload.units[unit]?.labels.length ?? 0)) return;
    if (unit === "T") handle.pickToken(index);
    else handle.pickSegment(unit, index);
  }

  function restore(handle, wanted) {
    const { classes, predictions } = handle.payload;
    const changes = {};
    if (classes.includes(wanted.get("emotion"))) changes.emotion = wanted.get("emotion");
    if (Object.hasOwn(predictions, wanted.get("role") ?? "")) changes.role = wanted.get("role");
    if (["centred", "raw"].includes(wanted.get("scale"))) changes.scale = wanted.get("scale");
    if (handle.data.hasBranch(wanted.get("words"))) changes.part = wanted.get("words");
    handle.set(changes);
    pick(handle, wanted.get("select"));
    const [, start, end] = /^(\d{1,4}(?:\.\d{1,3})?)-(\d{1,4}(?:\.\d{1,3})?)$/.exec(wanted.get("span") ?? "") ?? [];
    if (start !== undefined && Number(start) < Number(end) && Number(end) <= handle.payload.clip.duration) handle.pickSpan(Number(start), Number(end));
    const [unit, direction, layer, head] = (wanted.get("map") ?? "").split(",");
    const map = { unit, direction, layer, head };
    if (handle.data.maps.has(unit) && DIRECTIONS.includes(direction) && [layer, head].every((one) => /^(mean|\d{1,2})$/.test(one ?? "")) && handle.data.hasPlane(map)) handle.set({ map });
    if (handle.data.hasBranch(wanted.get("branch"))) handle.set({ branch: wanted.get("branch") });
  }

  let isFollowed = false; // whether the page has been asked for what its link names, or for what it opens with
  function takeQuery() {
    isFollowed = true;
    return location.search;
  }
  function takeOpening(values) {
    isFollowed = true;
    return values;
  }

  function followLink() {
    const isLinked = new URLSearchParams(location.search).has("example");
    document.documentElement.classList.toggle("mm-linked", isLinked); // what the page opens with is not shown before what the link names
    let tries = 0;
    const wait = setInterval(() => {
      const button = document.getElementById(isLinked ? "keep-follow" : "open-first");
      if (++tries > 300 && isLinked) clearInterval(wait); // Explore may be opened much later
      if (!button) return;
      if (isFollowed) clearInterval(wait);
      else if (tries % 4 === 0) button.click(); // again: the page's own events are there only a little later
    }, 100);
  }

  // the link to what is shown: `settled` names the example and the settings
  function writeLink(settled) {
    const { emotion, role, scale, part, unit, segment, span, map, branch } = main().get();
    const query = new URLSearchParams(settled);
    query.set("emotion", emotion);
    query.set("role", role);
    if (scale !== "centred") query.set("scale", scale);
    if (part !== "whole") query.set("words", part);
    if (unit !== null && segment !== null) query.set("select", unit + (segment + 1));
    else if (span) query.set("span", span.map((time) => time.toFixed(3)).join("-"));
    if (map) query.set("map", [map.unit, map.direction, map.layer, map.head].join(","));
    if (branch) query.set("branch", branch);
    return `${location.origin}${location.pathname}?${query}`;
  }

  // the table below two clips is of the emotion that both explain
  let paired = "";
  document.addEventListener("mmer-pair", (event) => { paired = event.detail.emotion; document.getElementById("keep-emotion-follow")?.click(); });

  window.mmerKeep = {
    main,
    takeQuery,
    takeOpening,
    paired: (...values) => { values[1] = paired; return values; },
    // what stands side by side, once it is drawn
    reveal: () => setTimeout(() => document.getElementById("side-by-side")?.scrollIntoView({ block: "start" }), 250),
    // the selection of the link that opened the page, once its result is drawn
    restore: () => {
      let tries = 0;
      const wait = setInterval(() => {
        if (++tries > 100) clearInterval(wait);
        if (!main()) return;
        clearInterval(wait);
        restore(main(), new URLSearchParams(location.search));
      }, 50);
    },
    // shows and copies the link; `settled` is empty for a visitor's own clip or words
    copyLink: async (settled) => {
      const [place, status] = ["keep-link-text", "keep-link-status"].map((id) => document.getElementById(id));
      if (!place) return;
      status.textContent = "";
      if (!settled || !main()) { place.textContent = texts.noLink; return; }
      const link = writeLink(settled);
      place.textContent = link;
      if (await window.mmer.copy(link)) { status.textContent = texts.linkCopied; return; }
      getSelection().selectAllChildren(place);
      status.textContent = texts.linkNotCopied;
    },
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", followLink);
  else followLink();
})();
