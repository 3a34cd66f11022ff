// SPDX-License-Identifier: Apache-2.0
//
// Answer, figures, findings, processes and caps.
"use strict";

(() => {
  const { h, byId, visible, duration, number, count } = pqleash;

  const kVerdicts = {
    none: ["Nothing wrong", "good"],
    leak: ["Leak", "alarm"],
    "too-small": ["Limit too small", "warning"],
    "too-large": ["Pool too large", "warning"],
    demand: ["Demand", "warning"],
    churn: ["Churn", "warning"],
    server: ["Server full", "warning"],
    other: ["Something else", "warning"],
    early: ["Too early to judge", "quiet"],
    unobserved: ["Nothing looked at", "quiet"],
  };

  const isThere = (process) => process.alive !== false;
  pqleash.openNow = (report) => report.processes.filter(isThere).reduce((sum, process) => sum + process.open, 0);

  pqleash.showAnswer = (report) => {
    const [word, tone] = kVerdicts[report.answer.verdict.replaceAll("_", "-")] ?? [visible(report.answer.verdict), "warning"];
    const answer = byId("answer");
    answer.className = `answer ${report.processes.length ? tone : "quiet"}`;
    answer.replaceChildren(...(report.processes.length === 0
      ? [h("p", {}, "No process with connections is seen.")]
      : [h("p", { class: "verdict" }, word), h("p", {}, `${visible(report.answer.sentence)}.`)]));
    byId("incomplete").replaceChildren(...(report.incomplete.length === 0 ? [] : [
      h("div", { class: "notice" }, h("h2", {}, "Incomplete"),
        h("ul", {}, report.incomplete.map((sentence) => h("li", {}, `${visible(sentence)}.`))))]));
  };

  pqleash.showFigures = (report) => {
    const there = report.processes.filter(isThere);
    const sum = (name) => there.reduce((total, process) => total + process[name], 0);
    const waiting = (report.caps ?? []).reduce((total, cap) => total + cap.waiting, 0);
    const figures = [
      ["Open connections", sum("open"), ""],
      ["In use now", sum("in_use"), ""],
      ["Failed connects", sum("failed_total"), ""],
      ["Waiting at caps", waiting, waiting ? "warning" : ""],
      ["Findings", report.findings.length, report.findings.some((finding) => finding.severity === "critical") ? "alarm" : report.findings.length ? "warning" : ""],
      ["Processes", there.length, ""],
    ];
    byId("figures").replaceChildren(...figures.map(([title, value, tone]) =>
      h("div", { class: tone || null }, h("dt", {}, title), h("dd", {}, number(value)))));
  };

  const evidenceList = (evidence) => evidence.length === 0 ? null
    : h("dl", { class: "evidence" }, evidence.map((item) =>
        h("div", {}, h("dt", {}, pqleash.words(item.name)), h("dd", {}, pqleash.evidence(item)))));

  const findingStacks = (finding, key, report) => {
    const stacks = finding.stacks.length ? finding.stacks : [{ what: "opened at", call_site: finding.call_site, frames: [] }];
    return stacks.map((stack, i) => {
      const site = report.call_sites.find((one) => one.id === stack.call_site);
      const frames = stack.frames.length || !site ? stack.frames : site.frames;
      return h("div", {},
        h("h4", {}, `${visible(stack.what)}, innermost first`),
        pqleash.stack(frames, `${key} ${i}`, site),
        site ? h("p", {}, h("a", { href: `#site-${site.id}`, "data-key": `${key} site ${i}` }, "Its connections, in the table of call sites")) : null);
    });
  };

  const findingCard = (finding, i, report) => {
    const id = `finding-${i + 1}`;
    const stacked = finding.call_site || finding.stacks.length;
    return h("article", { class: `finding ${finding.severity === "critical" ? "alarm" : "warning"}`, id, "aria-labelledby": `${id}-title` },
      h("h3", { id: `${id}-title`, tabindex: -1, "data-key": `${id} title` },
        h("a", { class: "self", href: `#${id}`, "aria-label": `Link to finding ${i + 1}`, "data-key": `${id} self` }, `${i + 1}`),
        h("span", { class: "kind" }, finding.kind), " ",
        h("span", { class: "badge" }, finding.severity), " ",
        h("span", { class: "badge" }, finding.confidence)),
      h("p", { class: "summary" }, `${visible(finding.summary)}.`),
      h("p", { class: "advice" }, h("strong", {}, "What to do: "), `${visible(finding.advice)}.`),
      evidenceList(finding.evidence),
      stacked ? pqleash.disclosure(id, "Stack", () => findingStacks(finding, id, report)) : null);
  };

  pqleash.showFindings = (report) => {
    byId("findings-body").replaceChildren(...(report.findings.length === 0
      ? [h("p", { class: "quiet" }, "None.")]
      : report.findings.map((finding, i) => findingCard(finding, i, report))));
  };

  const kProcessColumns = [
    { title: "process" }, { title: "state" },
    { title: "open", number: true }, { title: "in use", number: true }, { title: "peak", number: true },
    { title: "opened", number: true }, { title: "closed", number: true }, { title: "failed", number: true },
    { title: "since" }, { title: "program" },
  ];
  const kSummed = ["open", "in_use", "peak", "opened_total", "closed_total", "failed_total"];

  const stateOf = (process) => process.attach === "detached" ? process.attach
    : process.state + (process.attach === "attached" ? ", attached" : process.attach === "begun" ? ", attach not finished" : "");

  const processCells = (process) => [
    String(process.pid),
    stateOf(process) + (process.last_seen ? `, last seen ${pqleash.moment(process.last_seen)}` : ""),
    ...kSummed.map((name) => number(process[name])),
    pqleash.moment(process.since), visible(process.exe)];

  pqleash.byService = (processes) => {
    const services = new Map();
    for (const process of processes) {
      if (!services.has(process.service)) services.set(process.service, []);
      services.get(process.service).push(process);
    }
    return [...services].sort(([a], [b]) => (a < b ? -1 : 1));
  };

  pqleash.showProcesses = (report) => {
    const services = pqleash.byService(report.processes);
    const open = (processes) => processes.filter(isThere).reduce((sum, process) => sum + process.open, 0);
    byId("processes-body").replaceChildren(...(services.length === 0
      ? [h("p", { class: "quiet" }, "None.")]
      : services.map(([service, processes]) => h("div", { class: "service" },
          h("h3", {}, visible(service), " ",
            h("span", { class: "quiet" }, `${count(processes.length, "process", "processes")}, ${count(open(processes), "connection")} open`)),
          pqleash.table(`Processes of ${visible(service)}`, kProcessColumns, processes.map(processCells))))));
  };

  const ruleText = (cap) => {
    if (cap.kind !== "pace") return `at most ${count(cap.rule.limit, "connection")}`;
    const rate = cap.rule.rate_per_s === null ? "any number" : number(cap.rule.rate_per_s);
    return `${rate} a second, bursts of ${number(cap.rule.burst)}`;
  };

  const capNotes = (cap) => [
    cap.overridden || cap.origin === "operator" ? "set by the operator" : "",
    cap.at_limit_s !== null ? `at its limit for ${duration(cap.at_limit_s)}` : "",
    cap.server_full ? `the server is full for ${duration(cap.server_full.for_s)}, next try in ${duration(cap.server_full.next_try_in_s) || "0 s"}` : "",
    cap.refused_total ? `${number(cap.refused_total)} refused` : "",
    cap.warned_total ? `${number(cap.warned_total)} went on beyond the limit` : "",
    cap.waited_total ? `${number(cap.waited_total)} waited, the longest ${duration(cap.longest_wait_s)}` : "",
  ].filter(Boolean);

  const label = (entry) => visible(entry.label) || entry.call_site;
  const kMostRows = 200;
  const cut = (rows) => rows.slice(0, kMostRows);
  const leftOut = (rows) => rows.length > kMostRows ? h("p", { class: "quiet" }, `and ${number(rows.length - kMostRows)} more`) : null;

  const queue = (cap) => [
    cap.waiters.length === 0 ? null : h("h4", {}, "Queue, in order of arrival"),
    cap.waiters.length === 0 ? null : pqleash.table(`Queue at ${visible(cap.name)}`,
      [{ title: "process" }, { title: "service" }, { title: "waits for" }, { title: "refused in" }, { title: "call site" }],
      cut(cap.waiters).map((one) => [String(one.pid), visible(one.service), duration(one.waiting_s), duration(one.left_s), label(one)])),
    leftOut(cap.waiters),
    cap.holders.length === 0 ? null : h("h4", {}, "Holders, most connections first"),
    cap.holders.length === 0 ? null : pqleash.table(`Holders at ${visible(cap.name)}`,
      [{ title: "process" }, { title: "service" }, { title: "holds", number: true }, { title: "oldest" }, { title: "call site" }],
      cut(cap.holders).map((one) => [`${one.pid}${one.ended ? " (ended)" : ""}`, visible(one.service), number(one.count), duration(one.oldest_age_s), label(one)])),
    leftOut(cap.holders),
  ].filter(Boolean);

  const capCard = (cap, i) => {
    const limit = cap.kind === "pace" ? 0 : cap.rule.limit;
    const full = cap.waiting > 0 || cap.at_limit_s !== null || cap.server_full !== null;
    const meter = h("div", { class: "meter", "aria-hidden": "true" }, h("div"));
    meter.firstChild.style.width = `${limit ? Math.min(100, (100 * cap.use) / limit) : 0}%`;
    const key = `cap ${cap.name} ${cap.service ?? ""} ${cap.board}`;
    const waits = cap.oldest_wait_s ? `, the oldest for ${duration(cap.oldest_wait_s)}` : "";
    return h("article", { class: `cap ${full ? "warning" : ""}`, "aria-labelledby": `cap-${i}` },
      h("h3", { id: `cap-${i}` }, visible(cap.name), " ", h("span", { class: "quiet" }, `${cap.kind} for ${cap.service === null ? "all services" : visible(cap.service)}, per ${cap.scope}`)),
      h("p", {}, h("strong", {}, limit ? `${number(cap.use)} of ${number(limit)} in use` : `${number(cap.use)} in use`),
        `, peak ${number(cap.peak)}, ${number(cap.waiting)} waiting${waits}. `,
        h("span", { class: "quiet" }, `${ruleText(cap)}; then ${cap.rule.on_limit}`)),
      limit ? meter : null,
      capNotes(cap).length ? h("p", { class: "quiet" }, `${capNotes(cap).join("; ")}.`) : null,
      cap.waiters.length + cap.holders.length
        ? pqleash.disclosure(key, `Queue (${cap.waiters.length}) and holders (${cap.holders.length})`, () => queue(cap)) : null);
  };

  pqleash.showCaps = (report) => {
    const caps = report.caps ?? [];
    byId("caps-body").replaceChildren(...(caps.length === 0
      ? [h("p", { class: "quiet" }, "None are set for these processes.")]
      : caps.map(capCard)));
  };
})();
