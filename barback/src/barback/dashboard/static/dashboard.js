// What HTML and htmx do not do: times in the reader's zone, the keyboard, the theme, selections, and whether it is live.
// Every element says by a data attribute what it wants; a new page needs no script of its own.
"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);

  // Only what differs: we are told of our own changes too.
  function put(element, name, value) {
    if (element[name] !== value) element[name] = value;
  }

  // ── times ─────────────────────────────────────────────────────────────────────────────────────────────
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "always", style: "narrow" });
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
  const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

  function ago(date) {
    const seconds = Math.round((date - Date.now()) / 1000);
    if (Math.abs(seconds) < 2) return "now";
    if (Math.abs(seconds) >= 30 * 86400) return day.format(date);
    const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size);
    return relative.format(Math.trunc(seconds / size), unit);
  }

  function showTimes() {
    for (const time of all("time[datetime]")) {
      const date = new Date(time.dateTime);
      put(time, "textContent", "when" in time.dataset ? exact.format(date) : ago(date));
      put(time, "title", exact.format(date));
    }
  }

  // ── selecting ─────────────────────────────────────────────────────────────────────────────────────────
  const picks = () => all("[data-row] .pick input");

  function showSelection() {
    const bar = one("[data-selection]");
    if (!bar) return;
    const chosen = picks().filter((pick) => pick.checked).length;
    bar.hidden = chosen === 0;
    put(one("[data-selected]"), "textContent", `${chosen} selected`);
    const every = one("[data-all]");
    every.checked = chosen > 0 && chosen === picks().length;
    every.indeterminate = chosen > 0 && !every.checked;
  }

  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-all]")) for (const pick of picks()) pick.checked = target.checked;
    showSelection();
  });

  // ── rows by keyboard ──────────────────────────────────────────────────────────────────────────────────
  const rows = () => all("[data-row]");
  const current = () => document.activeElement?.closest("[data-row]");

  function move(step) {
    const list = rows();
    const next = list[current() ? list.indexOf(current()) + step : step > 0 ? 0 : list.length - 1];
    next?.querySelector("[data-open]").focus();
  }

  function select() {
    const pick = current()?.querySelector(".pick input");
    if (pick) pick.click();
  }

  // What the current row has for a key, or else the page.
  function press(key) {
    const button = current()?.querySelector(`[data-key="${key}"]`) ?? one(`[data-key="${key}"]`);
    if (button?.closest("[data-selection]")?.hidden) select();
    if (button && !button.closest("[hidden]")) button.click();
  }

  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    x: select,
    r: () => press("r"),
    a: () => press("a"),
    g: () => press("g"),
    "/": () => one("input[type=search]")?.focus(),
    "?": () => one("#help").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
    if (event.key === "Escape") document.activeElement?.blur();
    if (event.target.matches("input:not([type=checkbox]), textarea, select")) return;
    if (!Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
  });

  // ── buttons ───────────────────────────────────────────────────────────────────────────────────────────
  // What was asked about is what is sent, though the page may be another one by then.
  function askFirst(button) {
    const dialog = one("#confirm");
    const address = button.form.getAttribute("action");
    const fields = [...new FormData(button.form, button)];
    const chosen = button.closest("[data-selection]")?.querySelector("[data-selected]").textContent;
    dialog.querySelector("h2").textContent = [button.dataset.confirm, chosen].filter(Boolean).join(" ");
    dialog.querySelector("[value=yes]").textContent = button.dataset.confirmDo;
    dialog.returnValue = "";
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && send(address, fields), { once: true });
    dialog.showModal();
  }

  function send(address, fields) {
    const form = Object.assign(document.createElement("form"), { method: "post", action: address, hidden: true });
    for (const [name, value] of fields) {
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    document.body.append(form);
    form.submit();
  }

  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button?.dataset.confirm) return;
    event.preventDefault();
    askFirst(button);
  });

  function toggleTheme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("barback-theme", root.dataset.theme);
    } catch {
      // It lasts as long as the page.
    }
  }

  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    if (button.matches("[data-theme-toggle]")) toggleTheme();
    if (button.dataset.opens) one(`#${button.dataset.opens}`).showModal();
    if (button.dataset.copy) navigator.clipboard?.writeText(one(`#${button.dataset.copy}`).textContent);
  });

  // An address that is shared, or looked at again, says nothing of what was done once.
  const said = one("[data-said]");
  if (said) history.replaceState(history.state, "", said.dataset.said + location.hash);

  // ── live ──────────────────────────────────────────────────────────────────────────────────────────────
  function tell(problem) {
    const banner = one("#away");
    banner.hidden = !problem;
    banner.querySelector("span").textContent = problem ?? "";
    const state = one("#live-state");
    state.classList.toggle("lost", Boolean(problem));
    state.querySelector(".word").textContent = problem ? "Not live" : "Live";
  }

  document.addEventListener("away", () => tell("Redis is away: what you see is what was last known."));
  document.addEventListener("htmx:sse:error", ({ detail }) => {
    if (detail.status === 401) location.reload(); // Signed out meanwhile.
    tell("The dashboard does not answer: what you see is what was last known.");
  });
  document.addEventListener("htmx:sse:after:connection", () => tell(null));
  document.addEventListener("changed", () => {
    tell(null);
    const back = one("[data-comes-back]");
    if (back) location.replace(back.dataset.comesBack);
  });

  // A browser that leaves the page cuts what is on its way, which is no error: we end it ourselves before.
  addEventListener("beforeunload", () => one("#living").dispatchEvent(new Event("htmx:abort")));

  // ── always ────────────────────────────────────────────────────────────────────────────────────────────
  // What htmx puts in is seen before it is painted.
  new MutationObserver(() => {
    showTimes();
    showSelection();
  }).observe(one("#living"), { childList: true, subtree: true, characterData: true });
  const tab = one(".tabs [aria-current]");
  if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.offsetLeft - 40;
  setInterval(showTimes, 10_000);
  showTimes();
  showSelection();
})();
