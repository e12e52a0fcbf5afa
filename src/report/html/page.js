"use strict";
(() => {
  document.documentElement.classList.add("js");

  // Copies what stands beside the button; where the browser forbids that, it is selected, ready to be copied.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });

  const find = (id) => document.getElementById(id);
  const list = find("list");
  if (!list) return;
  const more = find("more");
  const rows = [...list.children, ...(more ? more.content.children : [])];
  const perPage = more ? list.children.length : rows.length;
  const [form, search, status, pager, select] = ["filters", "search", "status", "pager", "page"].map(find);
  const filters = [...form.querySelectorAll("select")];
  const texts = new Map();
  let page = 0;

  const text = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };
  const number = (count) => count.toLocaleString("en");

  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = filters.filter((filter) => filter.value);
    const wanted = rows.filter((row) =>
      chosen.every((filter) => row.dataset[filter.dataset.filter].split("\n").includes(filter.value)) &&
      words.every((word) => text(row).includes(word)));
    const pages = Math.max(1, Math.ceil(wanted.length / perPage));
    page = Math.min(page, pages - 1);
    const first = page * perPage;
    const here = wanted.slice(first, first + perPage);
    list.replaceChildren(...here);
    const of = wanted.length === rows.length ? `${number(rows.length)} rows` : `${number(wanted.length)} of ${number(rows.length)} rows`;
    status.textContent = pages === 1 ? of : `${of}; ${number(first + 1)} to ${number(first + here.length)} are shown`;
    pager.hidden = pages === 1;
    select.replaceChildren(...Array.from({ length: pages }, (_, at) => new Option(`${at + 1} of ${pages}`, at, false, at === page)));
    find("previous").disabled = page === 0;
    find("next").disabled = page === pages - 1;
  };
  const turn = (to) => {
    page = to;
    show();
    find("findings").focus({ preventScroll: true });
    find("findings").scrollIntoView();
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { page = 0; show(); });
  form.addEventListener("reset", () => setTimeout(() => { page = 0; show(); search.focus(); }));
  find("previous").addEventListener("click", () => turn(page - 1));
  find("next").addEventListener("click", () => turn(page + 1));
  select.addEventListener("change", () => turn(Number(select.value)));
  form.hidden = false;
  show();
})();
