
"use strict";

// The rows of the pages of `vipllava report` and `vipllava compare`; report.js follows in the same
// script. Text of the records goes from the data blocks into text nodes only: the content security
// policy forbids markup made of text.

const find = (id) => document.getElementById(id);
const data = JSON.parse(find("data").textContent);

const rows = data.rows.map((row, number) => ({ ...row, number }));
const list = find("rows");
const filter = find("filter");
const sort = find("sort");
const viewer = find("viewer");
const keys = find("keys");

// --- elements and text ----------------------------------------------------------------------

/** Make an element with children. Text becomes a text node. */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/** Make an element with text of a record, which has its own writing direction. */
function makeText(tag, className, ...children) {
  const element = make(tag, className, ...children);
  element.dir = "auto";
  return element;
}

function facts(pairs) {
  const entries = pairs.flatMap(([name, value]) => [makeText("dt", "", name), makeText("dd", "", value)]);
  return make("dl", "facts", ...entries);
}

function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Normalize text for the filter: case, white space and the form of accents do not count. */
function normalize(text) {
  return text.normalize("NFC").toLowerCase().replace(/\s{2,}|[^\S ]/g, " ");
}

/** Collect the texts of a row that the filter searches. */
function searchedTexts(row) {
  const marks = [...row.marks, ...row.answerMarks].flatMap((mark) => [mark.words, mark.label]);
  const answers = [row.answer, ...(row.error ?? []), ...(row.answers ?? []).flat()];
  const fields = row.fields.flatMap(({ name, value }) => [`${name}: ${value}`, name, value]);
  return [row.question, row.image, row.id, ...answers, ...fields, ...marks, ...row.extra.flat()];
}

function searchText(row) {
  // U+001F separates the texts: escaped text never contains it.
  return (row.text ??= normalize(searchedTexts(row).join("\u001f")));
}

// --- thumbnails -------------------------------------------------------------------------------

const thumbnails = new Map();
const waiting = new Set(); // visible rows whose thumbnails the browser has not read yet

/** Return the thumbnail of a row, or null while the browser has not read it. */
function thumbnailOf(row) {
  if (!thumbnails.has(row.thumbnail)) {
    const block = find(`thumbnail-${row.thumbnail}`);
    const isRead = block?.nextSibling || document.readyState !== "loading";
    if (!isRead) return null;
    const missing = { why: "this page is incomplete" };
    thumbnails.set(row.thumbnail, block ? JSON.parse(block.textContent) : missing);
  }
  return thumbnails.get(row.thumbnail);
}

function markText(mark) {
  return mark.label ? `${mark.words} “${mark.label}”` : mark.words;
}

function altText(row) {
  const marks = row.marks.map(markText).join(", ");
  const found = row.answerMarks.map(markText).join(", ");
  return [row.name, marks && `marked: ${marks}`, found && `found: ${found}`].filter(Boolean).join(", ");
}

function makeImage(row, thumbnail, className) {
  if (thumbnail.why) return makeText("span", "missing", `No image: ${thumbnail.why}`);
  const image = make("img", className);
  image.decoding = "async";
  image.alt = altText(row);
  image.width = thumbnail.width;
  image.height = thumbnail.height;
  image.src = thumbnail.src;
  return image;
}

function showThumbnail(element) {
  const row = rows[element.dataset.number];
  const thumbnail = thumbnailOf(row);
  if (!thumbnail) {
    waiting.add(element);
    return;
  }
  waiting.delete(element);
  const thumb = element.querySelector(".thumb");
  thumb.replaceChildren(makeImage(row, thumbnail, ""));
  if (thumbnail.why) thumb.ariaLabel = `Larger view of ${row.name}, no image: ${thumbnail.why}`;
  observer.unobserve(element);
}

const observer = new IntersectionObserver(
  (entries) => {
    const visible = entries.filter((entry) => entry.isIntersecting);
    visible.forEach((entry) => showThumbnail(entry.target));
  },
  { rootMargin: "600px 0px" },
);

// Blocks of thumbnails arrive while the browser reads the page.
const polling = setInterval(() => waiting.forEach(showThumbnail), 100);
document.addEventListener("DOMContentLoaded", () => {
  clearInterval(polling);
  waiting.forEach(showThumbnail);
});

// A printed page has the rows that were never in view, too.
addEventListener("beforeprint", () => [...list.children].forEach(showThumbnail));

// --- rows -----------------------------------------------------------------------------------

const VERDICTS = { right: "✓ right", wrong: "✕ wrong", failed: "✕ failed" };

/** List the expected answer and the answer of each compared file. */
function answerList(row) {
  const entries = row.answers.flatMap(([file, answer, verdict]) => {
    const flag = verdict ? [make("span", `flag ${verdict}`, VERDICTS[verdict]), " "] : [];
    return [makeText("dt", "", file), makeText("dd", "", ...flag, answer || "(an empty answer)")];
  });
  return make("dl", "answers", ...entries);
}

/** Show the answer of a row, its error, or the answers of several files. */
function answer(row) {
  if (row.answers) return answerList(row);
  if (row.error) {
    const [type, message] = row.error;
    return makeText("p", "error", make("span", "flag", `✕ Failed: ${type}`), ` ${message}`);
  }
  return makeText("p", row.answer ? "answer" : "answer empty", row.answer || "(an empty answer)");
}

function percent(probability) {
  return probability === null ? "" : `${(100 * probability).toFixed(1)} %`;
}

/** Show the fields of an answer as a table: name, value, and the probability of a chosen value. */
function fieldTable(row, isComplete) {
  const lines = row.fields.map(({ name, value, probability, choices }) => {
    const head = makeText("th", "", name);
    head.scope = "row";
    const others = choices.map(([choice, each]) => `${choice} ${percent(each)}`).join(", ");
    const cell = make("td", "probability", isComplete ? others : percent(probability));
    cell.title = others;
    cell.dir = "auto";
    return make("tr", "", head, makeText("td", value ? "" : "empty", value || "(none)"), cell);
  });
  return make("table", "fields", make("tbody", "", ...lines));
}

function swatch(color) {
  const square = make("span", "swatch");
  square.style.backgroundColor = color;
  return square;
}

function markItem(mark) {
  const color = mark.color ? [swatch(mark.color)] : [];
  return make("li", "", ...color, makeText("span", "", markText(mark)));
}

const LISTED_MARKS = 12; // of an answer, in the list of rows; the larger view has all

/** List the marks that the answer points at. */
function answerMarkList(row, isComplete) {
  const listed = isComplete ? row.answerMarks : row.answerMarks.slice(0, LISTED_MARKS);
  const rest = row.answerMarks.length - listed.length;
  const more = rest ? [make("li", "", `and ${count(rest, "other")}`)] : [];
  const head = make("li", "found", "Found:");
  return make("ul", "marks", head, ...listed.map(markItem), ...more);
}

/** Show the question, the answer and the marks. In a list, fields say what their questions are. */
function turn(row, isComplete) {
  const hasFields = row.fields.length > 0;
  const question = makeText("p", "question", row.question);
  const shown = hasFields ? fieldTable(row, isComplete) : answer(row);
  const parts = hasFields && !isComplete ? [shown] : [question, shown];
  if (row.cut) parts.push(make("p", "flag cut", "✂ Cut off before its end"));
  if (row.marks.length) parts.push(make("ul", "marks", ...row.marks.map(markItem)));
  if (row.answerMarks.length) parts.push(answerMarkList(row, isComplete));
  return parts;
}

function extras(row) {
  const pairs = row.extra.map(([name, value]) => makeText("span", "", make("i", "", `${name} `), value));
  return pairs.length ? [make("p", "extra", ...pairs)] : [];
}

function seconds(row) {
  return row.error || row.seconds === null ? "" : `${row.seconds.toFixed(2)} s`;
}

function source(row) {
  const name = makeText("span", "name", row.name);
  name.title = row.image;
  const id = row.id === row.name || row.id === row.image ? "" : row.id;
  const others = [id, seconds(row)].filter(Boolean).map((text) => makeText("span", "", text));
  return make("div", "source", name, ...others);
}

function makeRow(row) {
  const thumb = make("button", "thumb");
  thumb.type = "button";
  thumb.ariaHasPopup = "dialog";
  thumb.ariaLabel = `Larger view of ${altText(row)}`;
  const text = make("div", "turn", ...turn(row, false), ...extras(row));
  const element = make("li", row.error ? "row failed" : "row", thumb, text, source(row));
  element.dataset.number = row.number;
  observer.observe(element);
  searchText(row); // built now, so that the first typed letter does not wait for all rows
  return element;
}
