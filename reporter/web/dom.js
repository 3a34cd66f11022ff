// SPDX-License-Identifier: Apache-2.0
//
// Making elements. Text gets in as text alone: nothing here or elsewhere parses HTML.
"use strict";

(() => {
  // What the reader has done to the page, kept when a new report is shown.
  pqleash.ui = {
    open: new Set(), // keys of what is unfolded
    sort: { column: "", descending: true }, // '': the report's own order
    zoom: [], // keys of frames, from the outermost
    query: "",
  };

  // h("a", {href: "#x", class: "y", onclick: f}, "text", element, …). null children are left out.
  pqleash.h = (name, attributes = {}, ...children) => pqleash.fill(document.createElement(name), attributes, children);

  const kSvg = "http://www.w3.org/2000/svg";
  pqleash.svg = (name, attributes = {}, ...children) => pqleash.fill(document.createElementNS(kSvg, name), attributes, children);

  pqleash.fill = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) {
        element.addEventListener(name.slice(2), value);
      } else {
        element.setAttribute(name, value === true ? "" : value);
      }
    }
    for (const child of children.flat()) {
      if (child !== null && child !== undefined) element.append(child);
    }
    return element;
  };

  pqleash.byId = (id) => document.getElementById(id);

  // An unfolding part that stays as the reader left it. `content` is made when it is first seen.
  pqleash.disclosure = (key, summary, content) => {
    const { h, ui } = pqleash;
    const body = h("div", { class: "unfolded" });
    const details = h("details", { "data-details": key }, h("summary", { "data-key": key }, summary), body);
    const fillOnce = () => {
      if (details.open && !body.firstChild) body.append(...[content()].flat());
    };
    details.open = ui.open.has(key);
    fillOnce();
    details.addEventListener("toggle", () => {
      if (details.open) ui.open.add(key);
      else ui.open.delete(key);
      fillOnce();
    });
    return details;
  };

  // `columns`: {title, number: bool}; `rows`: arrays of text or elements, the first of which heads the row.
  pqleash.table = (caption, columns, rows) => {
    const { h } = pqleash;
    const cell = (content, i) => {
      const attributes = { class: columns[i].number ? "number" : null, "data-title": columns[i].title };
      return i === 0 ? h("th", { ...attributes, scope: "row" }, content) : h("td", attributes, content);
    };
    return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
      h("table", { class: "cards" },
        h("caption", { class: "hidden" }, caption),
        h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: column.number ? "number" : null }, column.title)))),
        h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell))))));
  };

  // A stack, innermost first, as the text report shows it.
  pqleash.stack = (frames, key, site = {}) => {
    const { h, ui, shownFrames, isScript, frameName, framePlace } = pqleash;
    if (frames.length === 0) return h("p", { class: "quiet" }, "The stack was not recorded.");
    const list = h("ol", { class: "stack" });
    const show = () => {
      const native = ui.open.has(`native ${key}`);
      const shown = shownFrames(frames, native);
      const item = (frame) => {
        const place = [framePlace(frame), frame.inlined ? "inlined" : ""].filter(Boolean).join(", ");
        return h("li", { class: `lang-${frame.language}`, value: frames.indexOf(frame) },
          h("span", { class: "function" }, frameName(frame)), " ",
          h("span", { class: "place" }, place), " ",
          isScript(frame) ? h("span", { class: "tag" }, frame.language) : null);
      };
      list.replaceChildren(...shown.map(item));
      const hidden = frames.length - shownFrames(frames, false).length;
      if (hidden === 0) return;
      list.append(h("li", { class: "quiet more" }, h("button", {
        type: "button",
        "data-key": `native ${key}`,
        onclick: () => {
          if (!ui.open.delete(`native ${key}`)) ui.open.add(`native ${key}`);
          show();
          list.querySelector("button").focus();
        },
      }, native ? "Hide the interpreter’s own frames" : `Show ${pqleash.count(hidden, "native frame")} of the interpreter`)));
    };
    show();
    const notes = [site.stack_truncated ? "deeper than was recorded" : "", site.stack_incomplete ? "could not be followed further" : ""].filter(Boolean);
    return h("div", {}, list, notes.length ? h("p", { class: "quiet" }, `(${notes.join("; ")})`) : null);
  };
})();
