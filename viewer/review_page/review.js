// The review: where the reviewer is, what is decided, and saving it key by key.

import { element, showItem } from "./item.js";
import { showSummary } from "./summary.js";

const byId = (id) => document.getElementById(id);
const NAMES = { "t-e": "t–e", "e-au": "e–au", "d-au": "d–au" };

let review = null; // what the server said at the start: ids, relations, verdicts
let position = 0;
let chosen = 0; // which relation the keys act on
let shown = 0; // counts calls of go, so that a late answer is not drawn over a newer item
let saving = Promise.resolve(); // one POST after the other, in the order of the keys
let pending = 0; // verdicts on their way
const unsaved = new Set(); // "item/relation" of verdicts that were refused and not given again since
const stored = {}; // by "item/relation": the verdict that the server confirmed last
const cards = [];

const keyOf = (id, relation) => `${id}/${relation}`;
const verdictsOf = (index) => review.verdicts[review.ids[index]];
const isDecided = (verdict) => verdict !== undefined && verdict.verdict !== "open";
const openRelations = (index) =>
  review.relations.filter((relation) => !isDecided(verdictsOf(index)[relation.id]));

async function start() {
  review = await ask("review");
  for (const [id, verdicts] of Object.entries(review.verdicts)) {
    for (const [relation, verdict] of Object.entries(verdicts)) stored[keyOf(id, relation)] = verdict;
  }
  byId("count").textContent = review.ids.length;
  byId("jump").max = review.ids.length;
  review.relations.forEach(addCard);
  review.ids.forEach((_, index) => {
    const tick = element("span", { title: `Item ${index + 1}` });
    tick.addEventListener("click", () => go(index));
    byId("strip").append(tick);
  });
  const asked = Number(location.hash.slice(1));
  await go(asked >= 1 && asked <= review.ids.length ? asked - 1 : review.first, false);
  byId("item").hidden = false;
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("the server does not answer. Start countenance review again and open the new address; what was saved is safe.");
  }
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

function complain(text) {
  byId("alert").hidden = !text;
  byId("alert").textContent = text;
}

const say = (text) => { byId("status").textContent = text; };

// ---- items

async function go(index, focus = true) {
  if (index < 0 || index >= review.ids.length) return;
  const mine = ++shown;
  flushNote();
  let item;
  try {
    item = await ask(`items/${index}`);
  } catch (error) {
    complain(`Not shown: ${error.message}`);
    return;
  }
  if (mine !== shown) return;
  if (unsaved.size === 0) complain("");
  position = index;
  history.replaceState(null, "", `#${index + 1}`);
  showItem(item, index, review.ids.length);
  const open = openRelations(index)[0];
  chosen = open ? review.relations.indexOf(open) : 0;
  for (const card of cards) card.note.value = verdictsOf(index)[card.relation.id]?.note ?? "";
  refresh();
  say("");
  if (focus) {
    byId("item-title").focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
}

function goToFirstOpen() {
  const index = review.ids.findIndex((_, place) => openRelations(place).length > 0);
  if (index < 0) say("Every item is decided.");
  else go(index);
}

// ---- verdicts

function addCard(relation, index) {
  const button = (className, key, text, act) => {
    const made = element("button", { type: "button", className, "aria-pressed": "false", "aria-keyshortcuts": key },
      text, " ", element("kbd", {}, key));
    made.addEventListener("click", () => { choose(index); act(); });
    return made;
  };
  const accept = button("accept", "a", "Accept", () => judge("accept"));
  const reject = button("reject", "r", "Reject", () => judge("reject"));
  const reasons = relation.reasons.map((reason, place) =>
    button("reason", String(place + 1), reason.text, () => giveReason(place)));
  const note = element("input", { type: "text", maxLength: review.most_note_characters, autocomplete: "off",
    "aria-keyshortcuts": "n" });
  note.addEventListener("change", () => saveNote(index));
  note.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === "Escape") { reject.focus(); event.stopPropagation(); }
  });
  const why = element("div", { className: "why", role: "group", "aria-label": `Reason of rejecting ${NAMES[relation.id]}` },
    ...reasons, element("label", {}, "Note ", element("kbd", {}, "n"), note));
  const mark = element("span", { className: "mark" });
  const question = element("p", { className: "question", id: `question-${relation.id}` }, relation.question);
  const card = element("section", { className: "relation", role: "group",
    "aria-label": `${NAMES[relation.id]}: ${relation.name}`, "aria-describedby": question.id },
    element("h3", {}, element("kbd", {}, relation.key), " ", NAMES[relation.id], mark),
    question,
    element("div", { className: "choice" }, accept, reject), why);
  card.addEventListener("focusin", () => choose(index));
  card.addEventListener("pointerdown", () => choose(index));
  cards.push({ relation, card, accept, reject, reasons, note, why, mark });
  byId("relations").append(card);
}

function choose(index) {
  if (chosen === index) return;
  chosen = index;
  refresh();
}

function current() {
  return verdictsOf(position)[cards[chosen].relation.id] ?? { verdict: "open", reason: "", note: "" };
}

const isUnsaved = () => unsaved.has(keyOf(review.ids[position], cards[chosen].relation.id));

// What a key gives counts on the page at once; it is taken back if the server could not save it.
function save(place, relation, verdict, keepalive = false) {
  const id = review.ids[place];
  const key = keyOf(id, relation);
  review.verdicts[id][relation] = verdict;
  refresh();
  const body = JSON.stringify({ id, relation, ...verdict });
  const post = () => ask("verdicts", { method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive });
  pending += 1;
  saving = (keepalive ? post() : saving.then(post)).then(
    () => {
      stored[key] = verdict;
      unsaved.delete(key);
      if (unsaved.size === 0) complain("");
    },
    (error) => {
      unsaved.add(key);
      if (review.verdicts[id][relation] === verdict) takeBack(place, relation);
      complain(`Not saved: ${NAMES[relation]} of item ${place + 1}: ${error.message}`);
    },
  ).then(() => {
    pending -= 1;
    // "Saved" and "done" are said of what is on the disk, so not while anything is on its way.
    if (pending === 0 && unsaved.size === 0) tell(place, relation, verdict);
  });
}

// Not to what stood there before: that may have been refused as well.
function takeBack(place, relation) {
  const id = review.ids[place];
  const refused = review.verdicts[id][relation];
  const kept = stored[keyOf(id, relation)];
  review.verdicts[id][relation] = kept;
  // The note was emptied with the rejection; one that is being written stays to be saved again.
  if (place === position && refused.verdict !== "reject") {
    cards.find((card) => card.relation.id === relation).note.value = kept?.note ?? "";
  }
  refresh();
}

function tell(place, relation, verdict) {
  const left = openRelations(place).length;
  const what = { accept: "accepted", reject: "rejected", open: "taken back" }[verdict.verdict];
  const row = review.relations.find((one) => one.id === relation).reasons.find((one) => one.id === verdict.reason);
  say(`${NAMES[relation]} ${what}${row ? `: ${row.text}` : ""}, saved. ` +
    (left ? `${left} open on this item.` : "This item is done."));
}

function judge(verdict) {
  const now = current();
  const { relation } = cards[chosen];
  if (verdict !== "reject") {
    cards[chosen].note.value = "";
    save(position, relation.id, { verdict, reason: "", note: "" });
    if (verdict === "accept") chooseNextOpen();
  } else if (now.verdict !== "reject") {
    save(position, relation.id, { verdict, reason: "", note: "" });
    bringIntoView();
  } else if (isUnsaved()) {
    save(position, relation.id, { verdict, reason: now.reason, note: cards[chosen].note.value.trim() });
  }
}

function giveReason(place) {
  const { relation, note } = cards[chosen];
  const now = current();
  const reason = relation.reasons[place];
  if (reason === undefined || now.verdict !== "reject") return;
  const taken = now.reason === reason.id;
  save(position, relation.id, { verdict: "reject", reason: taken ? "" : reason.id, note: note.value.trim() });
  if (taken) return;
  if (reason.id === "other") note.focus();
  else chooseNextOpen();
}

function saveNote(index, keepalive = false) {
  const { relation, note } = cards[index];
  const now = verdictsOf(position)[relation.id];
  if (now?.verdict !== "reject" || now.note === note.value.trim()) return;
  save(position, relation.id, { verdict: "reject", reason: now.reason, note: note.value.trim() }, keepalive);
}

const flushNote = (keepalive = false) => cards.forEach((_, index) => saveNote(index, keepalive));

function chooseNextOpen() {
  const open = openRelations(position)[0];
  if (open) chosen = review.relations.indexOf(open);
  refresh();
  bringIntoView();
}

const bringIntoView = () => cards[chosen].card.scrollIntoView({ block: "nearest" });

// ---- drawing the state

function refresh() {
  const given = verdictsOf(position);
  cards.forEach(({ relation, card, accept, reject, reasons, why, mark }, index) => {
    const verdict = given[relation.id];
    const state = isDecided(verdict) ? verdict.verdict : "open";
    card.dataset.state = state;
    card.classList.toggle("chosen", index === chosen);
    if (index === chosen) card.setAttribute("aria-current", "step");
    else card.removeAttribute("aria-current");
    accept.setAttribute("aria-pressed", String(state === "accept"));
    reject.setAttribute("aria-pressed", String(state === "reject"));
    mark.textContent = { accept: "✓ accepted", reject: "✗ rejected", open: "open" }[state];
    why.hidden = state !== "reject";
    reasons.forEach((button, place) =>
      button.setAttribute("aria-pressed", String(verdict?.reason === relation.reasons[place].id)));
  });
  const marks = review.ids.map((_, index) => stateOf(index));
  [...byId("strip").children].forEach((tick, index) => {
    tick.className = `${marks[index]}${index === position ? " here" : ""}`;
  });
  const done = marks.filter((mark) => mark === "accept" || mark === "reject").length;
  byId("progress-text").textContent = `${done} of ${review.ids.length} items done`;
  byId("jump").value = position + 1;
  byId("previous").disabled = position === 0;
  byId("next").disabled = position === review.ids.length - 1;
  byId("next").classList.toggle("ready", openRelations(position).length === 0);
}

function stateOf(index) {
  const verdicts = Object.values(verdictsOf(index)).filter(isDecided);
  if (verdicts.length < review.relations.length) return verdicts.length ? "part" : "open";
  return verdicts.every((verdict) => verdict.verdict === "accept") ? "accept" : "reject";
}

// ---- dialogs and keys

async function openSummary() {
  flushNote();
  await saving;
  try {
    showSummary(byId("summary-body"), await ask("summary"), review.relations);
  } catch (error) {
    complain(`No summary: ${error.message}`);
    return;
  }
  openDialog("summary");
}

function openDialog(id) {
  byId(id).showModal();
  byId(`${id}-title`).focus();
}

function onKey(event) {
  const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
  const modified = event.ctrlKey || event.altKey || event.metaKey;
  const blocked = typing || modified || !byId("keys-on").checked || document.querySelector("dialog[open]");
  if (blocked || review === null || event.repeat) return;
  const relation = review.relations.findIndex((one) => one.key === event.key);
  const actions = {
    a: () => judge("accept"),
    r: () => judge("reject"),
    u: () => (isDecided(current()) || isUnsaved()) && judge("open"),
    n: () => current().verdict === "reject" && cards[chosen].note.focus(),
    g: goToFirstOpen,
    s: openSummary,
    "?": () => openDialog("help"),
    ArrowRight: () => go(position + 1),
    ArrowLeft: () => go(position - 1),
  };
  if (relation >= 0) { choose(relation); bringIntoView(); }
  else if (/^[1-9]$/.test(event.key)) giveReason(Number(event.key) - 1);
  else if (actions[event.key]) actions[event.key]();
  else return;
  event.preventDefault();
}

document.addEventListener("keydown", onKey);
window.addEventListener("pagehide", () => review && flushNote(true));
byId("previous").addEventListener("click", () => go(position - 1));
byId("next").addEventListener("click", () => go(position + 1));
byId("first-open").addEventListener("click", goToFirstOpen);
byId("jump").addEventListener("change", (event) => go(Math.min(Math.max(Math.trunc(event.target.valueAsNumber || 1), 1), review.ids.length) - 1));
byId("open-summary").addEventListener("click", openSummary);
byId("open-help").addEventListener("click", () => openDialog("help"));
for (const button of document.querySelectorAll("dialog .close")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
start().catch((error) => complain(`Not opened: ${error.message}`));
