// What the page does in the browser by itself: it plays drawings that the server made ahead, and
// makes the answer's place a live region. Everything else is Gradio's.

const NUMBER = /-?\d+(?:\.\d+)?/g;
const MOVED = {
  d: null, cx: null, cy: null, rx: null, ry: null, "stroke-width": null,
  "fill-opacity": "1", "stroke-opacity": "1", visibility: "visible",
};
const find = (selector) => document.querySelector(selector);
let stopPlaying = () => {};

// A function of a share in [0, 1] between two texts that differ in numbers only; else the nearer.
function between(from, to) {
  const start = from.match(NUMBER) ?? [], end = to.match(NUMBER) ?? [], parts = from.split(NUMBER);
  if (parts.join("#") !== to.split(NUMBER).join("#")) return (share) => (share < 0.5 ? from : to);
  // Equal numbers stay as they are written: an arc's flags may be 0 or 1, not 0.00.
  const steps = start.map((n, i) => (n === end[i] ? null : Number(end[i]) - Number(n)));
  return (share) => parts.map((part, i) => {
    if (i === start.length) return part;
    return part + (steps[i] === null ? start[i] : (Number(start[i]) + steps[i] * share).toFixed(2));
  }).join("");
}

function parsed(key) {
  const holder = document.createElement("template");
  holder.innerHTML = key.svg; // the server's own drawing; its texts are escaped
  const svg = holder.content.firstElementChild;
  return { svg, elements: [...svg.querySelectorAll("*")] };
}

// The changes that lead from one key drawing to the next: [element on the stage, attribute, tween].
function changes(stage, from, to) {
  const found = [];
  stage.forEach((element, i) => {
    for (const [name, absent] of Object.entries(MOVED)) {
      const a = from[i].getAttribute(name) ?? absent, b = to[i].getAttribute(name) ?? absent;
      if (a === null || b === null) continue;
      if (a === b) element.setAttribute(name, a);
      else found.push([element, name, between(a, b)]);
    }
  });
  return found;
}

export class Show {
  constructor(play, face) {
    Object.assign(this, { play, face, index: -1, share: play.keys[0].share });
    this.drawn = play.keys.map(() => null);
    this.hidden = face.querySelector("svg");
    this.before = { weights: face.dataset.weights, status: find("#status")?.innerHTML, bars: find("#bars")?.outerHTML };
    const { svg } = parsed(play.keys[0]);
    svg.dataset.stage = "";
    svg.setAttribute("aria-hidden", "true"); // the prompt is announced, not each picture
    this.hidden.replaceWith(svg);
    this.svg = svg;
    this.stage = [...svg.querySelectorAll("*")];
  }

  elements(index) {
    this.drawn[index] ??= parsed(this.play.keys[index]).elements;
    return this.drawn[index];
  }

  reach(index) { // a new key is behind us
    const { keys } = this.play, key = keys[index];
    this.index = index;
    this.changes = changes(this.stage, this.elements(index), this.elements(Math.min(index + 1, keys.length - 1)));
    const bars = find("#bars"), said = find("#status");
    if (bars) bars.outerHTML = key.bars;
    const prompt = said?.querySelector(".prompt");
    if (!prompt || prompt.textContent !== key.text) {
      const name = document.createElement("bdi");
      name.className = "prompt";
      name.textContent = key.text;
      said?.replaceChildren(name);
    }
  }

  at(seconds) {
    const { keys } = this.play;
    let index = keys.findLastIndex((key) => key.at <= seconds);
    index = Math.max(0, index);
    if (index !== this.index) this.reach(index);
    const key = keys[index], next = keys[Math.min(index + 1, keys.length - 1)];
    const share = next === key ? 0 : (seconds - key.at) / (next.at - key.at);
    for (const [element, name, tween] of this.changes) element.setAttribute(name, tween(share));
    const weights = key.weights.map((w, i) => (w + (next.weights[i] - w) * share).toFixed(4));
    this.face.dataset.weights = weights.join(" ");
    if (key.share !== null) this.slide(key.share + (next.share - key.share) * share);
  }

  slide(share) {
    this.share = share;
    const slider = find("#blend input[type=range]");
    if (!slider) return;
    slider.value = share;
    slider.style.setProperty("--range_progress", `${100 * share}%`);
  }

  restore() {
    if (!this.face.isConnected || !this.svg.isConnected) return;
    this.svg.replaceWith(this.hidden);
    this.face.dataset.weights = this.before.weights;
    if (find("#status")) find("#status").innerHTML = this.before.status;
    if (find("#bars")) find("#bars").outerHTML = this.before.bars;
  }

  run() {
    return new Promise((resolve) => {
      const started = performance.now();
      let over = false;
      const end = () => { over = true; resolve(); };
      stopPlaying = end;
      const step = (now) => {
        if (over) return;
        const seconds = Math.max(0, (now - started) / 1000);
        if (!this.svg.isConnected) { end(); return; } // another answer took the place
        this.at(Math.min(seconds, this.play.seconds));
        if (seconds >= this.play.seconds) end();
        else requestAnimationFrame(step);
      };
      requestAnimationFrame(step);
    });
  }
}

function complain(message) {
  const place = find("#play-problem");
  if (place) place.textContent = message;
}

// Fetches and plays; gives the blend at which it ended, or null where it says nothing of one.
async function play(what, lines, values) {
  stopPlaying();
  complain("");
  try {
    const answer = await fetch("countenance/play", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ what, lines, values }),
    });
    const drawn = await answer.json();
    const face = find("#face");
    if (!answer.ok) complain(drawn.problem ?? `the server says ${answer.status}`);
    if (!answer.ok || !face) return null;
    const show = new Show(drawn, face);
    document.body.dataset.playing = what;
    await show.run();
    if (what === "timeline") show.restore();
    return show.share === null ? null : Math.round(100 * show.share) / 100;
  } catch (error) {
    complain(`This cannot be played: ${error.message}`);
    return null;
  } finally {
    delete document.body.dataset.playing;
  }
}

window.countenance = {
  blend: async (...values) => {
    const reached = await play("blend", "", values);
    return reached ?? values[3];
  },
  timeline: async (lines, ...values) => { await play("timeline", lines, values); },
  stop: () => { stopPlaying(); },
};

function nameLiveRegion() {
  const said = find("#said");
  if (!said) return false;
  said.setAttribute("role", "status");
  said.setAttribute("aria-live", "polite");
  said.setAttribute("aria-atomic", "true");
  return true;
}

if (!nameLiveRegion()) {
  const watch = new MutationObserver(() => { if (nameLiveRegion()) watch.disconnect(); });
  watch.observe(document.documentElement, { childList: true, subtree: true });
}
