"use strict";
// Small behaviours; every page works without them but for the live updates.

const announce = (text) => {
  const region = document.getElementById("announcements");
  if (region) region.textContent = text;
};

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-copy],[data-dialog],[data-close],[data-nav],[data-pause]");
  if (!target) return;
  if (target.dataset.copy !== undefined) {
    const text = document.getElementById(target.dataset.copy)?.textContent.trim() ?? "";
    navigator.clipboard?.writeText(text).then(() => announce(target.dataset.done ?? ""));
  } else if (target.dataset.dialog !== undefined) {
    document.getElementById(target.dataset.dialog)?.showModal();
  } else if (target.dataset.close !== undefined) {
    target.closest("dialog")?.close();
  } else if (target.dataset.nav !== undefined) {
    const nav = document.getElementById("navigation");
    const open = nav.toggleAttribute("data-open");
    target.setAttribute("aria-expanded", String(open));
  } else if (target.dataset.pause !== undefined) {
    const paused = document.body.toggleAttribute("data-paused");
    target.setAttribute("aria-pressed", String(paused));
    announce(paused ? target.dataset.pausedText : target.dataset.runningText);
  }
});

// A form that changes something at once: language, project.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.submit();
});

// Paused pages ask for nothing, nor does one with an open dialog, which a swap would close; a page that cannot be refreshed says so and keeps what it shows.
document.addEventListener("htmx:beforeRequest", (event) => {
  const waits = document.body.hasAttribute("data-paused") || document.querySelector("dialog[open]");
  if (waits && event.target.matches("[data-live]")) event.preventDefault();
});
// An answer that arrives while one reads a dialog, or after a pause, would take away what is being read; the next one will do.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.target.matches("[data-live]")) return;
  if (document.body.hasAttribute("data-paused") || event.target.querySelector("dialog[open]")) event.detail.shouldSwap = false;
});
const setStale = (isStale) => {
  const sign = document.getElementById("stale");
  if (sign) sign.hidden = !isStale;
};
document.addEventListener("htmx:sendError", () => setStale(true));
document.addEventListener("htmx:responseError", () => setStale(true));
document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) setStale(false); });

// State changes are announced, ticking costs are not.
let announcedState = document.querySelector("[data-state]")?.dataset.state;
document.addEventListener("htmx:afterSwap", () => {
  const live = document.querySelector("[data-state]");
  if (live && live.dataset.state !== announcedState) {
    announcedState = live.dataset.state;
    announce(live.dataset.stateText ?? "");
  }
});

// Cost so far: the server's exact numerator and rate, ticked with integers; a won is 3.6e9 of it.
const WON = 3600000000n;
const tick = () => {
  for (const element of document.querySelectorAll("[data-numerator]")) {
    if (document.body.hasAttribute("data-paused")) continue;
    element.dataset.since ??= String(Date.now());
    const seconds = BigInt(Math.floor((Date.now() - Number(element.dataset.since)) / 1000));
    const total = BigInt(element.dataset.numerator) + BigInt(element.dataset.perSecond) * seconds;
    element.textContent = "₩" + ((total + WON / 2n) / WON).toLocaleString("ko-KR");
  }
};
setInterval(tick, 1000);

// The launch page's summary follows the form.
const sum = document.querySelector("[data-launch]");
if (sum) {
  const showRequest = (offer, devices, nodes) => {
    const code = document.getElementById("curl-text");
    const value = (name) => sum.querySelector(`[name=${name}]`).value.trim();
    const [offerId, plan] = offer.split("|");
    const body = { project: code.dataset.project, name: value("name"), offers: [offerId], devices, nodes, image: value("image") };
    if (plan !== "on_demand") body.plan = plan;
    if (value("ssh_public_key")) body.ssh_public_keys = [value("ssh_public_key")];
    if (value("max_wait_hours")) body.max_wait_s = Number(value("max_wait_hours")) * 3600;
    if (value("auto_stop_hours")) body.max_duration_s = Number(value("auto_stop_hours")) * 3600;
    // Within single quotes a shell leaves everything as it is but the quote itself.
    const quoted = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
    code.textContent = `curl -X POST ${code.dataset.url} \\\n  -H "Authorization: Bearer $ONDOL_TOKEN" -H "Idempotency-Key: $(uuidgen)" \\\n  -H "Content-Type: application/json" -d '${quoted}'`;
  };
  // Until the first of credit and budgets is used up: what is left over what is used already and what this would add.
  const showLasts = (purses, more) => {
    const line = document.getElementById("sum-lasts");
    const ends = purses.trim().split(" ").filter(Boolean).map((text) => {
      const [left, burn] = text.split(":").map(BigInt);
      return burn + more > 0n ? (left > 0n ? left : 0n) / (burn + more) : null;
    }).filter((end) => end !== null);
    line.hidden = ends.length === 0;
    document.getElementById("sum-lasts-label").hidden = line.hidden;
    if (line.hidden) return;
    const hours = ends.reduce((one, other) => (one < other ? one : other)) / 3600n;
    const [words, count] = hours >= 48n ? [line.dataset.days, hours / 24n] : [hours > 0n ? line.dataset.hours : line.dataset.less, hours];
    line.textContent = words.replace("{n}", count.toLocaleString("ko-KR"));
  };
  const update = () => {
    const chosen = sum.querySelector("input[name=offer]:checked") ?? sum.querySelector("input[name=offer]");
    const devices = Number(sum.querySelector("[name=devices]").value) || 0;
    if (!chosen) return;
    const nodes = Number(sum.querySelector("[name=nodes]").value) || 0;
    const hourly = BigInt(chosen.dataset.micros) * BigInt(devices * nodes);
    const won = (micros) => "₩" + ((micros + 500000n) / 1000000n).toLocaleString("ko-KR");
    const withVat = (micros) => (micros * (100n + BigInt(sum.dataset.vatPercent))) / 100n;
    document.getElementById("sum-hour").textContent = won(hourly);
    document.getElementById("sum-hour-vat").textContent = won(withVat(hourly));
    // A price fixed per month is exact; of a price per hour 730 hours are shown.
    const isFixed = chosen.dataset.month !== undefined;
    const units = BigInt(Math.ceil(devices / Number(chosen.dataset.unitDevices)));
    const monthly = isFixed ? BigInt(chosen.dataset.month) * units * BigInt(nodes || 0) : hourly * 730n;
    document.getElementById("sum-month").textContent = won(monthly);
    document.getElementById("sum-month-vat").textContent = won(withVat(monthly));
    document.getElementById("sum-month-fixed").hidden = !isFixed;
    document.getElementById("sum-month-estimate").hidden = isFixed;
    document.getElementById("sum-devices").textContent = nodes > 1 ? `${devices} × ${nodes}` : String(devices);
    showLasts(chosen.dataset.purses, hourly);
    showRequest(chosen.value, devices, nodes);
  };
  sum.addEventListener("input", update);
  update();
}
