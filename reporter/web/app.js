// SPDX-License-Identifier: Apache-2.0
//
// From the report, in the page or from the server, to what is shown. A new report leaves focus, order, zoom and what is
// unfolded as they are.
"use strict";

(() => {
  const { byId, visible, ui } = pqleash;

  const kInterval = 5_000; // ms, between two questions
  const kPatience = 20_000; // ms, for one answer
  const kStale = 30_000; // ms, that a report may stay the same one
  const kUrl = "api/report";

  let report = null;
  let pending = null; // a newer one, while text is selected
  let failedSince = null;

  // For whoever tests the page.
  const countError = () => {
    const root = document.documentElement;
    root.dataset.errors = String(Number(root.dataset.errors ?? 0) + 1);
  };
  document.documentElement.dataset.errors = "0";
  window.addEventListener("error", countError);
  window.addEventListener("unhandledrejection", countError);
  document.addEventListener("securitypolicyviolation", countError);

  const keepFocus = (change) => {
    const key = document.activeElement?.dataset?.key;
    change();
    if (!key || document.activeElement?.dataset?.key === key) return;
    document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  };

  const show = (next) => {
    report = next;
    pending = null;
    keepFocus(() => {
      pqleash.showAnswer(report);
      pqleash.showFigures(report);
      pqleash.showFindings(report);
      pqleash.showChart(report);
      pqleash.showCallSites(report);
      pqleash.showFlame(report);
      pqleash.showProcesses(report);
      pqleash.showCaps(report);
    });
    byId("host").textContent = visible(report.host);
    document.title = `${pqleash.openNow(report)} open, ${pqleash.count(report.findings.length, "finding")}: pqleash on ${visible(report.host)}`;
    byId("footer").textContent = `Report of ${pqleash.moment(report.generated_at)}, ${visible(report.schema)}. Times are in this browser’s time zone.`;
  };

  // '#finding-2' unfolds a finding's stack, '#site-…' a call site.
  const follow = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!/^(finding|site)-[0-9a-z]+$/.test(id)) return;
    if (!ui.open.has(id)) {
      ui.open.add(id);
      if (report) show(report);
    }
    const element = byId(id);
    if (!element) return;
    (element.querySelector(".expand") ?? element.querySelector("h3"))?.focus({ preventScroll: true });
    element.scrollIntoView({ block: "start" });
  };

  // `time` changes with every report, and is not read out.
  const setStatus = (tone, text, time = "") => {
    byId("status").className = `status ${tone}`;
    if (byId("status-text").textContent !== text) byId("status-text").textContent = text;
    byId("status-time").textContent = time;
  };

  const ask = async () => {
    const response = await fetch(kUrl, { cache: "no-store", signal: AbortSignal.timeout(kPatience) });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    const next = await response.json();
    if (!String(next.schema).startsWith("pqleash.report/1")) throw new Error("it answered with no report of a known schema");
    return next;
  };

  const isSelecting = () => {
    const selection = document.getSelection();
    return report !== null && selection !== null && !selection.isCollapsed;
  };

  let changedAt = 0; // when a report came that was not the one before

  const showAge = () => {
    const time = pqleash.clock(report.generated_at);
    if (Date.now() - changedAt < kStale) setStatus("live", "Live", `, ${time}`);
    else setStatus("gone", `Stale: pqleash still answers with the state of ${time}`);
  };

  const update = async () => {
    try {
      const next = await ask();
      failedSince = null;
      if (next.generated_at !== (pending ?? report)?.generated_at) changedAt = Date.now();
      if (isSelecting()) {
        pending = next; // a new page under the mouse would lose what is being copied
        setStatus("paused", "Paused while text is selected", `: the state of ${pqleash.clock(report.generated_at)}`);
      } else {
        const isFirst = report === null;
        show(next);
        if (isFirst) follow();
        showAge();
      }
    } catch (error) {
      failedSince ??= Date.now();
      const reason = error.name === "TypeError" ? "" : ` (${visible(error.message)})`;
      const state = report ? `: stale, the state of ${pqleash.clock(report.generated_at)}` : "";
      setStatus("gone", `No answer from pqleash since ${pqleash.clock(failedSince)}${reason}${state}. Trying again.`);
    }
  };

  const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
  const isSeen = () => new Promise((resolve) => {
    if (!document.hidden) return resolve();
    setStatus("paused", "Paused");
    return document.addEventListener("visibilitychange", () => resolve(), { once: true });
  });

  const keepUpdating = async () => {
    for (;;) {
      await isSeen();
      await update();
      await sleep(kInterval);
    }
  };

  const start = () => {
    pqleash.listenToFlame();
    window.addEventListener("hashchange", follow);
    // When it goes to the fragment by itself, the browser takes the focus away.
    window.addEventListener("load", () => setTimeout(follow, 50));
    let width = byId("time-body").clientWidth;
    new ResizeObserver(() => {
      if (report === null || byId("time-body").clientWidth === width) return;
      width = byId("time-body").clientWidth;
      keepFocus(() => pqleash.showChart(report));
    }).observe(byId("time-body"));
    document.addEventListener("selectionchange", () => {
      if (pending === null || isSelecting()) return;
      show(pending);
      showAge();
    });
    const data = byId("pqleash-data");
    if (data !== null) {
      show(JSON.parse(data.textContent));
      setStatus("snapshot", "Snapshot", ` of ${pqleash.moment(report.generated_at)}`);
      follow();
    } else {
      setStatus("waiting", "Asking pqleash");
      keepUpdating();
    }
    document.documentElement.dataset.ready = "true";
  };

  start();
})();
