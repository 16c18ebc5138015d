// The Learn tab: turns the lesson's pages, judges answers, plays sounds, keeps the step in the address (#learn-4-<example>).
(() => {
  const LINK = /^#learn-(\d+)(?:-(.+))?$/;
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  let step = 1; // the page that is shown; kept when another clip takes the place
  let place = null;
  const right = new Set(); // steps whose question was answered rightly
  let stopAt = null; // seconds in the playing sound

  const pages = () => (place ? all(".ml-page", place) : []);
  const page = () => pages()[step - 1];

  function show(element, html) {
    silence();
    place = element;
    place.innerHTML = html; // made by mmer.lesson, which escapes every text
    const asked = LINK.exec(location.hash);
    if (asked) step = +asked[1];
    turnTo(step, { focus: false, write: false });
  }

  function turnTo(wanted, { focus = true, write = true } = {}) {
    if (!pages().length) return;
    silence();
    step = Math.min(Math.max(1, Math.round(wanted) || 1), pages().length);
    pages().forEach((one, i) => { one.hidden = i + 1 !== step; });
    all(".ml-mark", place).forEach((mark, i) => {
      if (i + 1 === step) mark.setAttribute("aria-current", "step"); else mark.removeAttribute("aria-current");
      mark.classList.toggle("ml-done", right.has(i + 1));
      mark.setAttribute("aria-label", `Step ${i + 1}: ${find("span", mark).textContent}${right.has(i + 1) ? ", answered" : ""}`);
    });
    find(".ml-mark[aria-current]", place)?.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
    find(".ml-progress", place).textContent = `${right.size} of ${pages().length} questions answered rightly`;
    if (write) history.replaceState(null, "", `#learn-${step}${find(".ml", place).dataset.clip ? `-${find(".ml", place).dataset.clip}` : ""}`);
    if (focus) {
      find("h2", page()).focus({ preventScroll: true });
      find(".ml-nav", place).scrollIntoView({ block: "start", behavior: "instant" });
    }
  }

  function judge(input) {
    const question = input.closest(".ml-question");
    const isRight = input.dataset.right === "true";
    all(".ml-answer", question).forEach((answer) => answer.classList.remove("ml-right", "ml-wrong"));
    input.closest(".ml-answer").classList.add(isRight ? "ml-right" : "ml-wrong");
    const feedback = find(".ml-feedback", question);
    feedback.className = `ml-feedback ${isRight ? "ml-right" : "ml-wrong"}`;
    feedback.replaceChildren(Object.assign(document.createElement("b"), { textContent: isRight ? "✓ " : "✗ Not this one. " }), find(`[data-reason="${input.value}"]`, question).content.cloneNode(true));
    if (isRight) right.add(step);
    find(`.ml-mark[data-go="${step}"]`, place).classList.toggle("ml-done", right.has(step));
    find(".ml-progress", place).textContent = `${right.size} of ${pages().length} questions answered rightly`;
  }

  const soundOf = (from) => all("audio", place).find((one) => one.dataset.of === from.closest(".ml-page").dataset.sound);

  function silence() {
    if (place) all("audio", place).forEach((one) => one.pause());
    stopAt = null;
  }

  function play(button) {
    const sound = soundOf(button);
    if (!sound) return;
    const playing = !sound.paused;
    silence();
    if (playing && button.dataset.playing) { delete button.dataset.playing; return; }
    all("[data-playing]", place).forEach((one) => delete one.dataset.playing);
    const [start, end] = button.dataset.play === "all" ? [0, null] : button.dataset.play.split(",").map(Number);
    sound.currentTime = start;
    stopAt = end;
    button.dataset.playing = "yes";
    sound.play();
    const watch = () => {
      if (sound.paused || sound.ended) { delete button.dataset.playing; return; }
      if (stopAt !== null && sound.currentTime >= stopAt) { sound.pause(); delete button.dataset.playing; return; }
      requestAnimationFrame(watch);
    };
    requestAnimationFrame(watch);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".ml-place button");
    if (!button) return;
    if (button.dataset.go) turnTo(+button.dataset.go);
    else if (button.dataset.turn) turnTo(step + +button.dataset.turn);
    else if (button.dataset.play) play(button);
    else if (button.dataset.press) {
      (find(`#${button.dataset.press}`)?.closest("button") ?? find(`#${button.dataset.press} button`) ?? find(`#${button.dataset.press}`))?.click();
      find("#lesson-status")?.scrollIntoView({ block: "center", behavior: "instant" });
    }
  });
  document.addEventListener("change", (event) => { if (event.target.matches?.(".ml-question input")) judge(event.target); });
  // arrows turn pages while the focus is on the steps or on the page's title
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !event.target.closest?.(".ml-nav, .ml-turn, .ml-page h2")) return;
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    const inNav = event.target.closest(".ml-nav");
    turnTo(step + move, { focus: !inNav });
    if (inNav) find(".ml-mark[aria-current]", place).focus();
  });

  // an address with a step opens the tab
  function openFromAddress() {
    const asked = LINK.exec(location.hash);
    if (!asked) return true;
    const tab = all("#tabs button[role=tab]").find((one) => one.textContent.trim() === "Learn");
    if (!tab) return false;
    if (tab.getAttribute("aria-selected") !== "true") tab.click();
    if (place) turnTo(+asked[1], { write: false });
    return true;
  }
  const waiting = setInterval(() => { if (openFromAddress()) clearInterval(waiting); }, 150);
  setTimeout(() => clearInterval(waiting), 60000);
  window.addEventListener("hashchange", openFromAddress);

  window.mmerLesson = { show, turnTo, step: () => step };
})();
