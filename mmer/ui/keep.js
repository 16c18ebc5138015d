// Compare, keep, share: a link that opens an example as it is shown, e.g. ?example=1-librivox-young-man&emotion=sadness&select=W3&role=late
(() => {
  const main = () => window.mmerViews.find(document.querySelector("#views .mv-place"));
  const buttonOf = (name) => document.getElementById(`example-${name}`);

  // "W3" is the third word; T, F, P, S and W count from 1
  function pick(handle, text) {
    const [, unit, number] = /^([TFPSW])(\d{1,6})$/.exec(text ?? "") ?? [];
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
    handle.set(changes);
    pick(handle, wanted.get("select"));
  }

  function followLink() {
    const wanted = new URLSearchParams(location.search);
    const name = wanted.get("example");
    if (!name) return;
    let tries = 0;
    const waitForPage = setInterval(() => {
      const button = buttonOf(name);
      if (++tries > 300) clearInterval(waitForPage);
      if (!button) return;
      clearInterval(waitForPage);
      setTimeout(() => {
        button.click();
        const waitForViews = setInterval(() => {
          if (++tries > 900) clearInterval(waitForViews);
          const handle = main();
          if (!handle) return;
          clearInterval(waitForViews);
          restore(handle, wanted);
        }, 100);
      }, 400);
    }, 100);
  }

  // the link to what is shown, if it is an example
  function writeLink(example) {
    const handle = main();
    const { emotion, role, scale, unit, segment } = handle.get();
    const query = new URLSearchParams({ example, emotion, role });
    if (scale !== "centred") query.set("scale", scale);
    if (unit !== null && segment !== null) query.set("select", unit + (segment + 1));
    return `${location.origin}${location.pathname}?${query}`;
  }

  window.mmerKeep = {
    main,
    // shows and copies the link; `example` is empty for a visitor's own clip
    copyLink: (example) => {
      const place = document.getElementById("keep-link-text");
      if (!place) return;
      if (!example || !main()) { place.textContent = "Only an example can be linked to: what you record or upload stays with you."; return; }
      const link = writeLink(example);
      place.textContent = link;
      navigator.clipboard?.writeText(link).catch(() => {});
    },
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", followLink);
  else followLink();
})();
