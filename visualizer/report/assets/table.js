// Tables: a press on a head sorts by its column, a second one the other way; a search box keeps what it names.
"use strict";

{
  function keyOf(row, column) {
    const text = row.cells[column].dataset.key;
    return text === undefined ? null : text;
  }

  /** Returns -, 0 or +: numbers by size, texts by the alphabet; what has no key is last in both directions. */
  function compare(a, b, sign, numeric) {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (numeric ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  }

  function sort(table, head) {
    const column = head.cellIndex;
    const rows = [...table.tBodies[0].rows];
    const keys = new Map(rows.map((row) => [row, keyOf(row, column)]));
    const numeric = [...keys.values()].every((key) => key === null || (key !== "" && isFinite(key)));
    const before = head.getAttribute("aria-sort");
    const ascending = before === "none" ? !numeric || column === 0 : before === "descending";
    rows.sort((a, b) => compare(keys.get(a), keys.get(b), ascending ? 1 : -1, numeric));
    for (const each of table.tHead.rows[0].cells) each.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    table.tBodies[0].append(...rows);
  }

  function filter(table, text) {
    const wanted = text.trim().toLowerCase();
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) row.hidden = !row.cells[1].textContent.toLowerCase().includes(wanted);
    const said = document.querySelector(`[data-count="${table.dataset.table}"]`);
    said.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  }

  for (const table of document.querySelectorAll("[data-table]")) {
    for (const head of table.tHead.rows[0].cells) {
      head.firstElementChild.addEventListener("click", () => sort(table, head));
    }
    const box = document.querySelector(`[data-filter="${table.dataset.table}"]`);
    if (box) {
      box.addEventListener("input", () => filter(table, box.value));
      filter(table, box.value);
    }
  }
}
