
// The behaviour of the pages: filter, order, focus, the larger view, and keys. It follows rows.js in
// the same script.

const FIRST_ROWS = 40; // appended at once; the others follow in steps, so that typing stays smooth
const ROWS_PER_STEP = 200;

const ALL = { name: "All", test: () => true };
const RECORD_KINDS = [
  ALL,
  { name: "Answered", test: (row) => !row.error },
  { name: "Failed", test: (row) => Boolean(row.error) },
];
const kindNamed = (name) => ({ name, test: (row) => row.kinds.includes(name) });
const KINDS = data.kinds ? [ALL, ...data.kinds.map(kindNamed)] : RECORD_KINDS;

const { compare } = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const failedLast = (a, b) => Boolean(a.error) - Boolean(b.error);
const ROW_ORDERS = [
  { name: "source order", compare: () => 0 },
  { name: "image", compare: (a, b) => compare(a.image, b.image) },
  { name: "question", compare: (a, b) => compare(a.question, b.question) },
];
const ANSWER_ORDERS = [
  { name: "answer", compare: (a, b) => failedLast(a, b) || compare(a.answer, b.answer) },
  { name: "seconds, quickest first", compare: (a, b) => failedLast(a, b) || a.seconds - b.seconds },
  { name: "seconds, slowest first", compare: (a, b) => failedLast(a, b) || b.seconds - a.seconds },
];
const fieldNames = [...new Set(rows.flatMap((row) => row.fields.map(({ name }) => name)))];
const fieldOf = (row, name) => row.fields.find((each) => each.name === name);
const valueOf = (row, name) => fieldOf(row, name)?.value ?? "";
const certainty = (row, name) => fieldOf(row, name)?.probability ?? 2; // without one, last
const hasChoices = (name) => rows.some((row) => certainty(row, name) <= 1);

/** Compare a field of two rows, as numbers if all its values are numbers; empty ones come first. */
function valueOrder(name) {
  const numberOf = (row) => (valueOf(row, name) === "" ? -Infinity : Number(valueOf(row, name)));
  if (rows.some((row) => Number.isNaN(numberOf(row)))) {
    return (a, b) => compare(valueOf(a, name), valueOf(b, name));
  }
  return (a, b) => numberOf(a) - numberOf(b);
}

/** List the orders by a field: its value, and its probability. */
function fieldOrders(name) {
  const byValue = valueOrder(name);
  const value = { name, compare: (a, b) => failedLast(a, b) || byValue(a, b) };
  const probability = {
    name: `${name}, least certain first`,
    compare: (a, b) => certainty(a, name) - certainty(b, name),
  };
  return hasChoices(name) ? [value, probability] : [value];
}
const FIELD_ORDERS = fieldNames.flatMap(fieldOrders);
const ORDERS = data.kinds ? ROW_ORDERS : [...ROW_ORDERS, ...ANSWER_ORDERS, ...FIELD_ORDERS];

// --- filter and order -----------------------------------------------------------------------

let sorted = rows;
let arrangement = 0; // counts the changes of filter and order

function reorder() {
  sorted = rows.toSorted(ORDERS[sort.value].compare);
  arrange();
}

function arrange() {
  const text = normalize(filter.value).trim();
  const kind = KINDS[document.querySelector("#kinds :checked").value];
  const matches = (row) => kind.test(row) && (!text || searchText(row).includes(text));
  const matching = sorted.filter(matches);
  arrangement += 1;
  list.replaceChildren();
  appendRows(matching, FIRST_ROWS, arrangement);
  find("nothing").hidden = matching.length > 0;
  find("shown").textContent =
    matching.length === rows.length
      ? count(rows.length, "row")
      : `${matching.length.toLocaleString("en")} of ${count(rows.length, "row")}`;
}

/** Append up to `max` rows to the list, and the others when the browser has time. */
function appendRows(matching, max, ofArrangement) {
  if (ofArrangement !== arrangement) return; // the filter or the order has changed
  for (const row of matching.slice(0, max)) list.append((row.element ??= makeRow(row)));
  const rest = matching.slice(max);
  if (rest.length) setTimeout(appendRows, 0, rest, ROWS_PER_STEP, ofArrangement);
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

// --- focus and larger view ------------------------------------------------------------------

let current = null; // the last row with the focus
let viewed = null; // the row in the larger view

function neighbour(element, step) {
  return step > 0 ? element.nextElementSibling : element.previousElementSibling;
}

function focusRow(element) {
  if (!element) return;
  current = element;
  element.querySelector(".thumb").focus({ preventScroll: true });
  element.scrollIntoView({ block: "nearest" });
}

function move(step) {
  focusRow(current?.isConnected ? neighbour(current, step) : list.firstElementChild);
}

function view(element) {
  viewed = element;
  const row = rows[element.dataset.number];
  const thumbnail = thumbnailOf(row) ?? { why: "this page is still loading" };
  const more = [
    ...row.extra,
    ["Row", `${row.number + 1} of ${rows.length}`],
    ["Model", row.model],
    ["Seconds", seconds(row) && String(row.seconds)],
    ...row.facts.map((value, number) => [data.facts[number], value]),
  ].filter(([, value]) => value);
  find("viewer-title").textContent = row.name;
  find("viewer-body").replaceChildren(makeImage(row, thumbnail, "large"), ...turn(row, true), facts(more));
  for (const button of viewer.querySelectorAll("[data-step]")) {
    const isLast = !neighbour(element, Number(button.dataset.step));
    // A disabled button with the focus would swallow the keys.
    if (isLast && button === document.activeElement) viewer.querySelector("[data-close]").focus();
    button.disabled = isLast;
  }
  if (!viewer.open) viewer.showModal();
  find("viewer-body").scrollTop = 0;
}

function step(by) {
  const next = neighbour(viewed, by);
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
  ArrowDown: () => focusRow(list.firstElementChild),
  Enter: () => focusRow(list.firstElementChild),
};
const VIEWER_KEYS = {
  j: () => step(1),
  k: () => step(-1),
  ArrowRight: () => step(1),
  ArrowLeft: () => step(-1),
};

/** Return the keys that work at the focus. Form controls keep their own arrows and letters. */
function keysAt(target) {
  if (viewer.open) return VIEWER_KEYS;
  if (keys.open) return {};
  if (target === filter) return FILTER_KEYS;
  return target.closest("select, fieldset") ? ALWAYS : ROW_KEYS;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const action = keysAt(event.target)[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

for (const dialog of [viewer, keys]) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
}
viewer.addEventListener("close", () => focusRow(viewed));
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
  return (data.kinds ? data.counts : recordCounts()).map(([name, value]) =>
    make("div", "", make("dt", "", name), makeText("dd", "", value.toLocaleString("en"))),
  );
}

function recordCounts() {
  const failed = rows.filter((row) => row.error).length;
  const cut = rows.filter((row) => row.cut).length;
  const models = [...new Set(rows.map((row) => row.model))].filter(Boolean).sort(compare);
  return [
    ["Rows", rows.length],
    ["Answered", rows.length - failed],
    ["Failed", failed],
    ...(cut ? [["Cut off", cut]] : []),
    [models.length > 1 ? "Models" : "Model", models.join(", ") || "unknown"],
  ];
}

document.title = `${data.title}: ${count(rows.length, "row")}`;
find("title").textContent = data.title;
find("counts").append(...summary());
find("skipped").textContent = data.skippedNote;
find("skipped").hidden = !data.skippedNote;
find("kinds").append(...KINDS.map(kindChoice));
// A comparison without a changed or wrong answer has nothing to filter.
if (!rows.length) find("nothing").textContent = "There are no rows to show.";
sort.append(...ORDERS.map(({ name }, number) => new Option(name, number)));
arrange();
