// SPDX-License-Identifier: Apache-2.0
//
// Open connections over time, by service: areas on top of each other, from the processes' periods of ten seconds.
"use strict";

(() => {
  const { h, svg, byId, visible, number } = pqleash;

  const kStep = 10_000; // ms, of a period
  const kMostSteps = 128; // that a ledger keeps
  const kLeastSteps = 6;
  const kMostServices = 7; // with a colour of their own
  const kHeight = 220;
  const kMargin = { top: 10, right: 12, bottom: 24, left: 40 };

  // Open connections of a process in each of the steps. Periods in which nothing happened are not there; going back
  // from what is open now, what was opened and closed since says what was open then.
  const levels = (process, times, end) => {
    const opened = [...process.history].map((period) => ({ ...period, at: Date.parse(period.from) })).sort((a, b) => a.at - b.at);
    const since = Date.parse(process.since);
    const last = process.last_seen ? Date.parse(process.last_seen) : end;
    let level = process.open;
    let next = opened.length - 1;
    const result = new Array(times.length).fill(0);
    for (let i = times.length - 1; i >= 0; --i) {
      let peak = level;
      for (; next >= 0 && opened[next].at >= times[i]; --next) {
        peak = Math.max(peak, opened[next].open_peak);
        level = Math.max(0, level - opened[next].opened + opened[next].closed);
      }
      const there = times[i] + kStep > since && times[i] <= last;
      result[i] = there ? Math.max(peak, level) : 0;
    }
    return result;
  };

  // {times: ms of the begin of each step, services: [{name, values}]}, most connections first.
  pqleash.history = (report) => {
    const moments = report.processes.map((process) => Date.parse(process.last_seen ?? report.generated_at));
    const begins = report.processes.map((process) => Date.parse(process.since)).filter(Number.isFinite);
    if (begins.length === 0) return { times: [], services: [] };
    const end = Math.max(...moments);
    const wanted = Math.ceil((end - Math.min(...begins)) / kStep) + 1;
    const steps = Math.max(kLeastSteps, Math.min(kMostSteps, wanted));
    const times = Array.from({ length: steps }, (_, i) => end - (steps - i) * kStep);
    const services = pqleash.byService(report.processes).map(([name, processes]) => {
      const values = new Array(steps).fill(0);
      for (const process of processes) levels(process, times, end).forEach((level, i) => { values[i] += level; });
      return { name: visible(name), values };
    });
    const peak = (service) => Math.max(...service.values);
    services.sort((a, b) => peak(b) - peak(a));
    if (services.length > kMostServices) {
      const rest = services.splice(kMostServices - 1);
      services.push({ name: `${rest.length} more services`, values: times.map((_, i) => rest.reduce((sum, one) => sum + one.values[i], 0)) });
    }
    return { times, services, end };
  };

  // 1, 2, 5, 10, 20, …: about four lines.
  const gridStep = (most) => {
    const rough = Math.max(1, most / 4);
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
  };

  const draw = (history, width) => {
    const { times, services, end } = history;
    const totals = times.map((_, i) => services.reduce((sum, service) => sum + service.values[i], 0));
    const step = gridStep(Math.max(1, ...totals));
    const top = Math.max(step, Math.ceil(Math.max(...totals) / step) * step);
    const [plotWidth, plotHeight] = [width - kMargin.left - kMargin.right, kHeight - kMargin.top - kMargin.bottom];
    const x = (i) => kMargin.left + (plotWidth * i) / times.length;
    const y = (value) => kMargin.top + plotHeight * (1 - value / top);
    const picture = svg("svg", { class: "chart", width, height: kHeight, viewBox: `0 0 ${width} ${kHeight}`, "aria-hidden": "true" });
    for (let value = 0; value <= top; value += step) {
      picture.append(svg("line", { class: "grid", x1: kMargin.left, x2: width - kMargin.right, y1: y(value), y2: y(value) }),
        svg("text", { class: "axis", x: kMargin.left - 6, y: y(value) + 4, "text-anchor": "end" }, number(value)));
    }
    const ticks = Math.max(2, Math.min(6, Math.floor(plotWidth / 110)));
    for (let k = 0; k <= ticks; ++k) {
      const at = (times.length * k) / ticks;
      const anchor = k === 0 ? "start" : k === ticks ? "end" : "middle";
      picture.append(svg("text", { class: "axis", x: x(at), y: kHeight - 6, "text-anchor": anchor }, pqleash.clock(times[0] + at * kStep)));
    }
    const below = times.map(() => 0);
    services.forEach((service, rank) => {
      const upper = times.map((_, i) => below[i] + service.values[i]);
      const edge = (values) => values.flatMap((value, i) => [[x(i), y(value)], [x(i + 1), y(value)]]);
      const points = [...edge(upper), ...edge(below).reverse()].map((point) => point.map((one) => one.toFixed(1)).join(",")).join(" ");
      picture.append(svg("polygon", { class: `series s${rank}`, points }));
      upper.forEach((value, i) => { below[i] = value; });
    });
    const cursor = svg("line", { class: "cursor", y1: kMargin.top, y2: kHeight - kMargin.bottom, visibility: "hidden" });
    picture.append(cursor);
    const stepAt = (clientX) => {
      const at = clientX - picture.getBoundingClientRect().left - kMargin.left;
      return Math.max(0, Math.min(times.length - 1, Math.floor((at / plotWidth) * times.length)));
    };
    const describe = (i) => {
      const parts = services.filter((service) => service.values[i]).map((service) => `${service.name} ${number(service.values[i])}`);
      return `${pqleash.clock(times[i])}: ${number(totals[i])} open${parts.length > 1 ? ` (${parts.join(", ")})` : ""}`;
    };
    return { picture, cursor, stepAt, describe, x, end };
  };

  const legend = ({ services, times }) => h("ul", { class: "legend" }, services.map((service, rank) =>
    h("li", {}, h("span", { class: `swatch s${rank}`, "aria-hidden": "true" }), `${service.name}: ${number(service.values[times.length - 1])}`)));

  const kMostRows = 128;
  const asTable = ({ times, services }) => {
    const changed = times.map((_, i) => i).filter((i) => i === 0 || i === times.length - 1 || services.some((service) => service.values[i] !== service.values[i - 1]));
    const columns = [{ title: "time" }, ...services.map((service) => ({ title: service.name, number: true }))];
    return pqleash.table("Open connections at each change", columns,
      changed.slice(-kMostRows).map((i) => [pqleash.clock(times[i]), ...services.map((service) => number(service.values[i]))]));
  };

  pqleash.showChart = (report) => {
    const body = byId("time-body");
    const history = pqleash.history(report);
    if (history.services.length === 0) {
      body.replaceChildren(h("p", { class: "quiet" }, "None."));
      return;
    }
    const width = Math.max(260, Math.floor(body.clientWidth));
    const drawn = draw(history, width);
    const rest = drawn.describe(history.times.length - 1);
    const line = h("p", { class: "chart-line quiet" }, rest);
    const point = (event) => {
      const i = drawn.stepAt(event.clientX);
      drawn.cursor.setAttribute("x1", drawn.x(i + 0.5));
      drawn.cursor.setAttribute("x2", drawn.x(i + 0.5));
      drawn.cursor.setAttribute("visibility", "visible");
      line.textContent = drawn.describe(i);
    };
    drawn.picture.addEventListener("pointermove", point);
    drawn.picture.addEventListener("pointerdown", point);
    drawn.picture.addEventListener("pointerleave", () => {
      drawn.cursor.setAttribute("visibility", "hidden");
      line.textContent = rest;
    });
    body.replaceChildren(legend(history), drawn.picture, line, pqleash.disclosure("time table", "As a table", () => asTable(history)));
  };
})();
