// The summary as tables.

import { element } from "./item.js";

const percent = (value) => (value === null ? "–" : `${(100 * value).toFixed(1)} %`);
const RELATION = { "t-e": "t–e", "e-au": "e–au", "d-au": "d–au", all: "all three" };

export function showSummary(place, summary, relations) {
  const { sample, skipped } = summary;
  const parts = [
    element("p", {}, `${summary.complete} of ${sample.drawn} items are reviewed in full. ` +
      `The sample is random, seed ${sample.seed}. Intervals are Wilson's at ${100 * summary.confidence} %.`),
  ];
  const told = {
    other_items: "verdicts on items outside this sample are left out",
    changed_items: "verdicts are left out because their items were annotated anew",
    damaged_lines: "damaged lines of the verdict file are skipped",
  };
  for (const [name, count] of Object.entries(skipped)) {
    if (count) parts.push(element("p", { className: "aside" }, `${count} ${told[name]}.`));
  }
  parts.push(rateTable("By relation", "relation", Object.entries(summary.relations)
    .map(([name, rate]) => [RELATION[name], rate])));
  parts.push(groupTable("By tag", "tag", summary.tags));
  parts.push(reasonTable(summary.reasons, relations));
  parts.push(groupTable("By prompt", "prompt", summary.prompts));
  if (summary.phrases.length) parts.push(phraseTable(summary.phrases));
  place.replaceChildren(...parts);
}

function table(caption, heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map(([name, ...cells]) => element(
    "tr", {}, element("th", { scope: "row" }, name),
    ...cells.map((text) => element("td", {}, String(text)))));
  const made = element("table", {}, element("caption", {}, caption),
    element("thead", {}, head), element("tbody", {}, ...body));
  return element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": caption }, made);
}

const interval = (rate) => (rate.rate === null ? "–" : `${percent(rate.low)} to ${percent(rate.high)}`);

function rateTable(caption, what, rows) {
  return table(caption, [what, "accepted", "rejected", "open", "rate", "95 % interval"],
    rows.map(([name, rate]) =>
      [name, rate.accepted, rate.rejected, rate.open, percent(rate.rate), interval(rate)]));
}

function groupTable(caption, what, groups) {
  const rows = Object.entries(groups).flatMap(([name, rates]) =>
    Object.entries(rates).filter(([, rate]) => rate.rate !== null)
      .map(([relation, rate]) => [`${name} ${RELATION[relation]}`, rate]));
  return rows.length ? rateTable(caption, what, rows) : element("p", { className: "aside" }, `${caption}: no verdict yet.`);
}

function reasonTable(reasons, relations) {
  const rows = relations.flatMap((relation) =>
    Object.entries(reasons[relation.id]).map(([id, row]) => {
      const known = relation.reasons.find((reason) => reason.id === id);
      return [`${RELATION[relation.id]}: ${known ? known.text : id}`, row.count, percent(row.share),
        `${percent(row.low)} to ${percent(row.high)}`];
    }));
  if (!rows.length) return element("p", { className: "aside" }, "By reason: nothing is rejected.");
  return table("By reason (share of the relation's verdicts)",
    ["reason", "rejected", "share", "95 % interval"], rows);
}

function phraseTable(phrases) {
  return table("Phrases of descriptions whose d–au was rejected", ["phrase", "rejected", "reviewed"],
    phrases.map((row) => [row.phrase, row.rejected, row.reviewed]));
}
