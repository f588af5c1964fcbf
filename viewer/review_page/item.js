// Draw one item. All text goes in as text nodes: nothing of an item is ever read as HTML.

const byId = (id) => document.getElementById(id);
const LONG_TRANSCRIPT = 1500;

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function showItem(item, index, count) {
  byId("item-title").textContent = `Item ${index + 1} of ${count}`;
  showTranscript(item.transcript);
  byId("tags").replaceChildren(...item.emotions.map((tag) => element("li", {}, tag)));
  showFacts(byId("tag-facts"), tagFacts(item));
  byId("description").textContent = item.description;
  showFacts(byId("provenance"), [["id", item.id], ...Object.entries(item.provenance)]);
  const face = byId("face");
  face.alt = `Drawn face: ${item.units.map(inWords).join(", ") || "at rest"}`;
  face.src = `faces/${index}.svg`;
  const units = item.units.map(unitRow);
  byId("units").replaceChildren(...(units.length ? units : [element("li", { className: "none" }, "none: a face at rest")]));
}

function showTranscript(text) {
  const place = byId("transcript");
  place.textContent = text;
  place.scrollTop = 0;
  const long = text.length > LONG_TRANSCRIPT;
  // What scrolls must be reachable with the keyboard.
  if (long) {
    place.tabIndex = 0;
    place.setAttribute("role", "region");
    place.setAttribute("aria-label", "Transcript, scrolls");
  } else {
    place.removeAttribute("tabindex");
    place.removeAttribute("role");
    place.removeAttribute("aria-label");
  }
  place.classList.toggle("long", long);
  byId("transcript-size").hidden = !long;
  byId("transcript-size").textContent = `${text.length.toLocaleString("en")} characters`;
}

function tagFacts(item) {
  const facts = [];
  const given = (value) => value !== null && value !== undefined;
  if (item.emotions_from) facts.push(["tags by", item.emotions_from]);
  if (item.human_emotions.length && item.emotions_from !== "human") {
    facts.push(["human tags", item.human_emotions.join(", ")]);
  }
  if (given(item.strength)) facts.push(["strength", `${item.strength.toFixed(2)} (${item.strength_from})`]);
  if (given(item.human_strength) && item.strength_from !== "human") {
    facts.push(["human strength", item.human_strength.toFixed(2)]);
  }
  return facts;
}

function showFacts(place, facts) {
  place.replaceChildren(
    ...facts.map(([name, value]) =>
      element("div", {}, element("dt", {}, name.replaceAll("_", " ")), element("dd", {}, String(value)))),
  );
}

function inWords(unit) {
  const side = unit.side === "both" ? "" : `, ${unit.side} side`;
  return `${unit.code} ${unit.name}, ${unit.degree}${side}`;
}

function unitRow(unit) {
  const meter = element("span", { className: "meter", "aria-hidden": "true" }, element("span", {}));
  meter.firstChild.style.width = `${Math.round(unit.value * 100)}%`;
  const side = unit.side === "both" ? null : element("span", { className: "side" }, unit.side);
  return element(
    "li", {},
    element("code", {}, unit.code), element("span", { className: "unit-name" }, unit.name),
    element("span", { className: "degree" }, side, side ? " " : null, unit.degree), meter,
  );
}
