// SPDX-License-Identifier: Apache-2.0
//
// Call sites as a table that can be sorted, each with its stack and its connections.
"use strict";

(() => {
  const { h, byId, visible, duration, number, ui } = pqleash;

  const kColumns = [
    { key: "name", title: "call site", of: (site) => pqleash.siteName(site), shown: null },
    { key: "open", title: "open", number: true },
    { key: "in_use", title: "in use", number: true },
    { key: "peak", title: "peak", number: true },
    { key: "opened_total", title: "opened", number: true },
    { key: "closed_total", title: "closed", number: true },
    { key: "failed_total", title: "failed", number: true },
    { key: "oldest_age_s", title: "oldest", number: true, shown: duration },
    { key: "max_idle_s", title: "longest idle", number: true, shown: duration },
  ];
  const kMostConnections = 100;

  const headline = (site) => site.headline === null ? null : site.frames[site.headline];
  // Of several with the same headline each has the caller that tells it from the others.
  const caller = (site) => site.caller === null || site.caller === undefined ? "" : `, called by ${pqleash.frameName(site.frames[site.caller])}`;
  pqleash.siteName = (site) => headline(site) ? pqleash.frameName(headline(site)) + caller(site) : "connects without a recorded stack";

  const valueOf = (column, site) => (column.of ? column.of(site) : site[column.key] ?? -1);

  const sorted = (sites) => {
    const column = kColumns.find((one) => one.key === ui.sort.column);
    if (!column) return sites;
    const sign = ui.sort.descending ? -1 : 1;
    return [...sites].sort((a, b) => {
      const [x, y] = [valueOf(column, a), valueOf(column, b)];
      return x === y ? 0 : x < y ? -sign : sign;
    });
  };

  const sortBy = (key, report) => {
    if (ui.sort.column === key) ui.sort.descending = !ui.sort.descending;
    else ui.sort = { column: key, descending: key !== "name" };
    pqleash.showCallSites(report);
    document.querySelector(`[data-key="sort ${key}"]`)?.focus();
  };

  const heading = (column, report) => {
    const active = ui.sort.column === column.key;
    const direction = !active ? "none" : ui.sort.descending ? "descending" : "ascending";
    return h("th", { scope: "col", class: column.number ? "number" : null, "aria-sort": direction },
      h("button", { type: "button", class: "sort", "data-key": `sort ${column.key}`, onclick: () => sortBy(column.key, report) },
        column.title, h("span", { class: "arrow", "aria-hidden": "true" }, !active ? "↕" : ui.sort.descending ? "▼" : "▲")));
  };

  const connectionRow = (connection) => [
    visible(connection.conn), String(connection.pid),
    connection.tid === 0 ? "-" : `${connection.tid}${connection.thread_name ? ` ${visible(connection.thread_name)}` : ""}`,
    pqleash.target(connection), visible(connection.application_name),
    connection.backend_pid === null ? "-" : String(connection.backend_pid),
    pqleash.activity(connection), connection.last_taken ? visible(connection.last_taken.line) : "-",
    (connection.opened_before_attach ? ">" : "") + duration(connection.age_s), connection.in_call ? "-" : duration(connection.idle_s), number(connection.queries)];

  const connections = (site) => {
    if (site.connections.length === 0) return null;
    const columns = ["conn", "pid", "thread", "server", "application", "backend", "state", "last taken by"].map((title) => ({ title }));
    columns.push(...["age", "idle", "commands"].map((title) => ({ title, number: true })));
    const more = site.connections.length - kMostConnections;
    return h("div", {},
      h("h4", {}, `Connections (${number(site.connections.length)})`),
      pqleash.table(`Connections of ${pqleash.siteName(site)}`, columns, site.connections.slice(0, kMostConnections).map(connectionRow)),
      more > 0 ? h("p", { class: "quiet" }, `and ${number(more)} more`) : null,
      site.connections_left_out ? h("p", { class: "quiet" }, `${number(site.connections_left_out)} younger or less idle than asked for left out`) : null);
  };

  const findingsOf = (site, report) => report.findings.flatMap((finding, i) => finding.call_site !== site.id ? []
    : [" ", h("a", { class: "badge", href: `#finding-${i + 1}`, "data-key": `site ${site.id} finding ${i}` }, finding.kind)]);

  const rows = (site, report) => {
    const id = `site-${site.id}`;
    const place = headline(site) ? pqleash.framePlace(headline(site)) : "";
    const detail = h("td", { colspan: kColumns.length });
    const detailRow = h("tr", { class: "detail", id: `${id}-detail` }, detail);
    const button = h("button", { type: "button", class: "expand", "aria-controls": `${id}-detail`, "data-key": id }, pqleash.siteName(site));
    const show = () => {
      const open = ui.open.has(id);
      button.setAttribute("aria-expanded", String(open));
      detailRow.hidden = !open;
      if (open && !detail.firstChild) {
        detail.append(...[h("h4", {}, "Stack, innermost first"), pqleash.stack(site.frames, id, site), connections(site),
          h("p", { class: "quiet" }, `call site ${site.id}`)].filter(Boolean));
      }
    };
    button.addEventListener("click", () => {
      if (!ui.open.delete(id)) ui.open.add(id);
      show();
    });
    show();
    const cells = kColumns.slice(1).map((column) => h("td", { class: "number", "data-title": column.title },
      column.shown ? column.shown(site[column.key]) || "-" : number(site[column.key])));
    return [h("tr", { id, class: "site" }, h("th", { scope: "row" }, button,
      h("span", { class: "place" }, place, findingsOf(site, report))), cells), detailRow];
  };

  // Where the table is a list of cards, its headings are not there.
  const sortChoice = (report) => {
    const select = h("select", {
      "data-key": "sort choice",
      onchange: () => {
        ui.sort = { column: select.value, descending: select.value !== "name" };
        pqleash.showCallSites(report);
        document.querySelector('[data-key="sort choice"]').focus();
      },
    }, h("option", { value: "" }, "suspicion"), kColumns.map((column) => h("option", { value: column.key }, column.title)));
    select.value = ui.sort.column;
    return h("label", { class: "narrow-only" }, "Sort by ", select);
  };

  pqleash.showCallSites = (report) => {
    const body = byId("call-sites-body");
    if (report.call_sites.length === 0) {
      body.replaceChildren(h("p", { class: "quiet" }, report.call_sites_left_out ? "All are left out, as asked." : "None."));
      return;
    }
    body.replaceChildren(sortChoice(report),
      h("div", { class: "scroll" }, h("table", { class: "cards sites" },
        h("caption", {}, ui.sort.column ? "Where connections were opened" : "Where connections were opened, most suspicious first"),
        h("thead", {}, h("tr", {}, kColumns.map((column) => heading(column, report)))),
        h("tbody", {}, sorted(report.call_sites).flatMap((site) => rows(site, report))))),
      ...(report.call_sites_left_out ? [h("p", { class: "quiet" }, `and ${number(report.call_sites_left_out)} more, left out as asked`)] : []));
  };
})();
