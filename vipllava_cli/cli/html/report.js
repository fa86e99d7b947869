
"use strict";

// The page of `vipllava report` and of `vipllava compare`. Text of the records goes from the data blocks into text nodes and
// nowhere else: the page's own policy forbids to make markup or scripts of it.

const FIRST = 40; // rows at once; the others follow in steps, so that typing is never held up
const STEP = 200;

const find = (id) => document.getElementById(id);
const data = JSON.parse(find("data").textContent);

const ALL = { name: "All", test: () => true };
const KINDS_OF_ONE = [
  ALL,
  { name: "Answered", test: (row) => !row.error },
  { name: "Failed", test: (row) => Boolean(row.error) },
];
const kindNamed = (name) => ({ name, test: (row) => row.kinds.includes(name) });
const KINDS = data.kinds ? [ALL, ...data.kinds.map(kindNamed)] : KINDS_OF_ONE;

const { compare } = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const failedLast = (a, b) => Boolean(a.error) - Boolean(b.error);
const BY_ROW = [
  { name: "source order", compare: () => 0 },
  { name: "image", compare: (a, b) => compare(a.image, b.image) },
  { name: "question", compare: (a, b) => compare(a.question, b.question) },
];
const BY_ANSWER = [
  { name: "answer", compare: (a, b) => failedLast(a, b) || compare(a.answer, b.answer) },
  { name: "seconds, quickest first", compare: (a, b) => failedLast(a, b) || a.seconds - b.seconds },
  { name: "seconds, slowest first", compare: (a, b) => failedLast(a, b) || b.seconds - a.seconds },
];
const ORDERS = data.kinds ? BY_ROW : [...BY_ROW, ...BY_ANSWER];

const rows = data.rows.map((row, number) => ({ ...row, number }));
const list = find("rows");
const filter = find("filter");
const sort = find("sort");
const viewer = find("viewer");
const keys = find("keys");

// --- small parts ----------------------------------------------------------------------------

/** An element with children; a text among them becomes a text node. */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/** An element with text of a record, in its own direction of writing. */
function told(tag, className, ...children) {
  const element = make(tag, className, ...children);
  element.dir = "auto";
  return element;
}

function facts(pairs) {
  const entries = pairs.flatMap(([name, value]) => [told("dt", "", name), told("dd", "", value)]);
  return make("dl", "facts", ...entries);
}

function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function plain(text) {
  return text.toLowerCase().replace(/\s{2,}|[^\S ]/g, " ");
}

/** All that the filter looks at in a row. */
function sayings(row) {
  const marks = row.marks.flatMap((mark) => [mark.words, mark.label]);
  const answers = [row.answer, ...(row.error ?? []), ...(row.answers ?? []).flat()];
  return [row.question, row.image, row.id, ...answers, ...marks, ...row.extra.flat()];
}

function textOf(row) {
  return (row.text ??= plain(sayings(row).join("\u001f"))); // which no safe text holds
}

// --- thumbnails -------------------------------------------------------------------------------

const thumbnails = new Map();
const waiting = new Set(); // rows in sight whose thumbnails are still being read

/** The row's thumbnail, once the page has been read as far as that. */
function thumbnailOf(row) {
  if (!thumbnails.has(row.thumbnail)) {
    const block = find(`thumbnail-${row.thumbnail}`);
    const isRead = block?.nextSibling || document.readyState !== "loading";
    if (!isRead) return null;
    const none = { why: "this page is cut short" };
    thumbnails.set(row.thumbnail, block ? JSON.parse(block.textContent) : none);
  }
  return thumbnails.get(row.thumbnail);
}

function described(row) {
  const marks = row.marks.map((mark) => (mark.label ? `${mark.words} “${mark.label}”` : mark.words));
  return marks.length ? `${row.name}, marked: ${marks.join(", ")}` : row.name;
}

function drawn(row, thumbnail, className) {
  if (thumbnail.why) return told("span", "gone", `No image: ${thumbnail.why}`);
  const image = make("img", className);
  image.decoding = "async";
  image.alt = described(row);
  image.width = thumbnail.width;
  image.height = thumbnail.height;
  image.src = thumbnail.src;
  return image;
}

function fill(element) {
  const row = rows[element.dataset.number];
  const thumbnail = thumbnailOf(row);
  if (!thumbnail) {
    waiting.add(element);
    return;
  }
  waiting.delete(element);
  const thumb = element.querySelector(".thumb");
  thumb.replaceChildren(drawn(row, thumbnail, ""));
  if (thumbnail.why) thumb.ariaLabel = `More of ${row.name}, no image: ${thumbnail.why}`;
  inSight.unobserve(element);
}

const inSight = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => fill(entry.target)),
  { rootMargin: "600px 0px" },
);

const reading = setInterval(() => waiting.forEach(fill), 100);
document.addEventListener("DOMContentLoaded", () => {
  clearInterval(reading);
  waiting.forEach(fill);
});

// --- rows -----------------------------------------------------------------------------------

const VERDICTS = { right: "✓ right", wrong: "✕ wrong", failed: "✕ failed" };

/** The answers that several files give to a row, each beside its file's name, below what was wanted. */
function outcomes(row) {
  const entries = row.answers.flatMap(([file, answer, verdict]) => {
    const flag = verdict ? [make("span", `flag ${verdict}`, VERDICTS[verdict]), " "] : [];
    return [told("dt", "", file), told("dd", "", ...flag, answer || "(an empty answer)")];
  });
  return make("dl", "answers", ...entries);
}

function outcome(row) {
  if (row.answers) return outcomes(row);
  if (row.error) {
    const [type, message] = row.error;
    return told("p", "error", make("span", "flag", `✕ Failed: ${type}`), ` ${message}`);
  }
  return told("p", row.answer ? "answer" : "answer empty", row.answer || "(an empty answer)");
}

function swatch(color) {
  const square = make("span", "swatch");
  square.style.backgroundColor = color;
  return square;
}

function markItem(mark) {
  const words = mark.label ? `${mark.words} “${mark.label}”` : mark.words;
  return make("li", "", ...(mark.color ? [swatch(mark.color)] : []), told("span", "", words));
}

/** What was asked, what came of it, and about which marks. */
function exchange(row) {
  const parts = [told("p", "question", row.question), outcome(row)];
  if (row.cut) parts.push(make("p", "flag cut", "✂ Cut off before its end"));
  if (row.marks.length) parts.push(make("ul", "marks", ...row.marks.map(markItem)));
  return parts;
}

function extras(row) {
  const pairs = row.extra.map(([name, value]) => told("span", "", make("i", "", `${name} `), value));
  return pairs.length ? [make("p", "extra", ...pairs)] : [];
}

function seconds(row) {
  return row.error || row.seconds === null ? "" : `${row.seconds.toFixed(2)} s`;
}

function source(row) {
  const name = told("span", "name", row.name);
  name.title = row.image;
  const id = row.id === row.name || row.id === row.image ? "" : row.id;
  const others = [id, seconds(row)].filter(Boolean).map((text) => told("span", "", text));
  return make("div", "source", name, ...others);
}

function build(row) {
  const thumb = make("button", "thumb");
  thumb.type = "button";
  thumb.ariaHasPopup = "dialog";
  thumb.ariaLabel = `Larger view of ${described(row)}`;
  const words = make("div", "said", ...exchange(row), ...extras(row));
  const element = make("li", row.error ? "row failed" : "row", thumb, words, source(row));
  element.dataset.number = row.number;
  inSight.observe(element);
  textOf(row); // made now, so that the first letter typed does not wait for all of them
  return element;
}

// --- which rows, in which order -------------------------------------------------------------

let sorted = rows;
let arrangement = 0;

function reorder() {
  sorted = rows.toSorted(ORDERS[sort.value].compare);
  arrange();
}

function arrange() {
  const text = plain(filter.value).trim();
  const kind = KINDS[document.querySelector("#kinds :checked").value];
  const matches = (row) => kind.test(row) && (!text || textOf(row).includes(text));
  const matching = sorted.filter(matches);
  arrangement += 1;
  list.replaceChildren();
  place(matching, FIRST, arrangement);
  find("nothing").hidden = matching.length > 0;
  find("shown").textContent =
    matching.length === rows.length
      ? count(rows.length, "row")
      : `${matching.length.toLocaleString("en")} of ${count(rows.length, "row")}`;
}

/** Put rows at the end of the list, and the rest of them when the browser has time. */
function place(matching, most, ofArrangement) {
  if (ofArrangement !== arrangement) return; // another has begun
  for (const row of matching.slice(0, most)) list.append((row.element ??= build(row)));
  const rest = matching.slice(most);
  if (rest.length) setTimeout(place, 0, rest, STEP, ofArrangement);
}

function clearFilter() {
  if (!filter.value) filter.blur();
  filter.value = "";
  arrange();
}

function showAll() {
  filter.value = "";
  document.querySelector("#kinds input").checked = true;
  arrange();
  filter.focus();
}

// --- moving, and the larger view ------------------------------------------------------------

let current = null; // the row that had the focus last
let viewed = null; // the row in the larger view

function beside(element, step) {
  return step > 0 ? element.nextElementSibling : element.previousElementSibling;
}

function goTo(element) {
  if (!element) return;
  current = element;
  element.querySelector(".thumb").focus({ preventScroll: true });
  element.scrollIntoView({ block: "nearest" });
}

function move(step) {
  goTo(current?.isConnected ? beside(current, step) : list.firstElementChild);
}

function view(element) {
  viewed = element;
  const row = rows[element.dataset.number];
  const thumbnail = thumbnailOf(row) ?? { why: "this page is still being read" };
  const more = [
    ...row.extra,
    ["Row", `${row.number + 1} of ${rows.length}`],
    ["Model", row.model],
    ["Seconds", seconds(row) && String(row.seconds)],
    ...row.facts.map((value, number) => [data.facts[number], value]),
  ].filter(([, value]) => value);
  find("viewer-title").textContent = row.name;
  find("viewer-body").replaceChildren(drawn(row, thumbnail, "large"), ...exchange(row), facts(more));
  for (const button of viewer.querySelectorAll("[data-step]")) {
    const last = !beside(element, Number(button.dataset.step));
    if (last && button === document.activeElement) viewer.querySelector("[data-close]").focus();
    button.disabled = last; // with the focus on it, keys would go nowhere
  }
  if (!viewer.open) viewer.showModal();
  find("viewer-body").scrollTop = 0;
}

function step(by) {
  const next = beside(viewed, by);
  if (next) view(next);
}

// --- keys and clicks ------------------------------------------------------------------------

const ALWAYS = {
  "/": () => filter.select(),
  "?": () => keys.showModal(),
  Escape: clearFilter,
};
const ROW_KEYS = {
  ...ALWAYS,
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
};
const FILTER_KEYS = {
  Escape: clearFilter,
  ArrowDown: () => goTo(list.firstElementChild),
  Enter: () => goTo(list.firstElementChild),
};
const VIEWER_KEYS = {
  j: () => step(1),
  k: () => step(-1),
  ArrowRight: () => step(1),
  ArrowLeft: () => step(-1),
};

/** What the keys do where the focus is; a list of choices keeps its own arrows and letters. */
function keysAt(target) {
  if (viewer.open) return VIEWER_KEYS;
  if (keys.open) return {};
  if (target === filter) return FILTER_KEYS;
  return target.closest("select, fieldset") ? ALWAYS : ROW_KEYS;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const act = keysAt(event.target)[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

for (const dialog of [viewer, keys]) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
}
viewer.addEventListener("close", () => goTo(viewed));
viewer.addEventListener("click", (event) => {
  if (event.target.dataset.step) step(Number(event.target.dataset.step));
});
list.addEventListener("click", (event) => {
  if (event.target.closest(".thumb")) view(event.target.closest(".row"));
});
list.addEventListener("focusin", (event) => {
  current = event.target.closest(".row");
});
filter.addEventListener("input", arrange);
sort.addEventListener("change", reorder);
find("kinds").addEventListener("change", arrange);
find("clear").addEventListener("click", showAll);
find("show-keys").addEventListener("click", () => keys.showModal());

// --- the page -------------------------------------------------------------------------------

function kindChoice({ name, test }, number) {
  const input = make("input", "");
  Object.assign(input, { type: "radio", name: "kind", value: number, defaultChecked: number === 0 });
  const rowsOfKind = rows.filter(test).length.toLocaleString("en");
  return make("label", "", input, `${name} ${rowsOfKind}`);
}

function summary() {
  return (data.kinds ? data.counts : countsOfOne()).map(([name, value]) =>
    make("div", "", make("dt", "", name), told("dd", "", value.toLocaleString("en"))),
  );
}

function countsOfOne() {
  const failed = rows.filter((row) => row.error).length;
  const cut = rows.filter((row) => row.cut).length;
  const models = [...new Set(rows.map((row) => row.model))].filter(Boolean).sort(compare);
  return [
    ["Rows", rows.length],
    ["Answered", rows.length - failed],
    ["Failed", failed],
    ...(cut ? [["Cut off", cut]] : []),
    [models.length > 1 ? "Models" : "Model", models.join(", ") || "not known"],
  ];
}

document.title = `${data.title}: ${count(rows.length, "row")}`;
find("title").textContent = data.title;
find("counts").append(...summary());
find("left-out").textContent = data.leftOut;
find("left-out").hidden = !data.leftOut;
find("kinds").append(...KINDS.map(kindChoice));
sort.append(...ORDERS.map(({ name }, number) => new Option(name, number)));
arrange();
