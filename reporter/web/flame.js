// SPDX-License-Identifier: Apache-2.0
//
// Stacks on top of each other, outermost at the top: as wide as the connections that they hold. A tree for the keyboard
// and for screen readers, and the same as a table.
"use strict";

(() => {
  const { h, byId, visible, number, ui } = pqleash;

  const kRow = 22; // px
  const kNarrowest = 0.05; // % of the width; what is narrower cannot be seen
  const kLanguages = ["native", "python", "ruby", "php", "perl"];
  const kMetrics = { open: "open", opened_total: "opened", failed_total: "failed" };

  const child = (parent, key, make) => {
    if (!parent.children.has(key)) {
      parent.children.set(key, { ...make(), key, parent, depth: parent.depth + 1, weight: 0, children: new Map() });
    }
    return parent.children.get(key);
  };

  // Equal frames are one, whatever call sites they are of, and whatever line they are at.
  const frameKey = (frame) => [frame.language, frame.file ?? frame.module ?? "", frame.function ?? frame.offset].join("\n");

  const frameNode = (frame) => ({
    name: pqleash.isScript(frame) && frame.file ? `${pqleash.baseName(frame.file)}:${pqleash.frameName(frame)}` : pqleash.frameName(frame),
    place: pqleash.framePlace(frame),
    language: frame.language,
  });

  // How the connections of a site are spread over services: of those that are no longer there nothing is known.
  const shares = (site, metric, services) => {
    if (metric !== "open") return [[services.size === 1 ? [...services.values()][0] : null, site[metric]]];
    const counts = new Map();
    for (const connection of site.connections.filter(pqleash.isOpen)) {
      const service = services.get(connection.pid) ?? null;
      counts.set(service, (counts.get(service) ?? 0) + 1);
    }
    return [...counts];
  };

  pqleash.flameTree = (report, metric, native) => {
    const root = { key: "", name: "all", place: "", language: "service", depth: 0, weight: 0, children: new Map(), parent: null };
    const services = new Map(report.processes.map((process) => [process.pid, process.service]));
    for (const site of report.call_sites) {
      const frames = pqleash.shownFrames(site.frames, native).reverse();
      for (const [service, weight] of shares(site, metric, services)) {
        if (weight === 0) continue;
        let node = root;
        node.weight += weight;
        if (service !== null) {
          node = child(node, `service\n${service}`, () => ({ name: visible(service), place: "service", language: "service" }));
          node.weight += weight;
        }
        for (const frame of frames.length ? frames : [{ language: "native", function: "[no stack recorded]" }]) {
          node = child(node, frameKey(frame), () => frameNode(frame));
          node.weight += weight;
        }
      }
    }
    return root;
  };

  // In a stable order: one update later everything is where it was.
  const ordered = (node) => [...node.children.values()].sort((a, b) => (a.key < b.key ? -1 : 1));

  const pathOf = (node) => (node.parent ? [...pathOf(node.parent), node.key] : []);
  const keyOf = (node) => `frame ${JSON.stringify(pathOf(node))}`;

  const matches = (node) => ui.query !== "" && `${node.name}\n${node.place}`.toLowerCase().includes(ui.query.toLowerCase());

  // The node that is zoomed to: as much of the path as is still there.
  const zoomed = (root) => {
    let node = root;
    for (const key of ui.zoom) {
      const next = node.children.get(key);
      if (!next) break;
      node = next;
    }
    return node;
  };

  const share = (node, root) => `${number((100 * node.weight) / root.weight)} %`;

  const describe = (node, root, noun) => `${node.name}${node.place && node.place !== "service" ? ` (${node.place})` : ""}: ${number(node.weight)} ${noun}, ${share(node, root)}`;

  let drawnReport = null;

  const redraw = (focusKey) => {
    pqleash.showFlame(drawnReport);
    if (focusKey) byId("flame-body").querySelector(`[data-key="${CSS.escape(focusKey)}"]`)?.focus();
  };

  const zoomTo = (node) => {
    ui.zoom = pathOf(node);
    redraw(keyOf(node));
  };

  // Of what is drawn: elements by node.
  const boxes = new Map();

  const moveTo = (node) => {
    const box = boxes.get(node);
    if (!box) return;
    for (const other of boxes.values()) other.tabIndex = -1;
    box.tabIndex = 0;
    box.focus();
  };

  const sibling = (node, by) => {
    if (!node.parent) return node;
    const all = ordered(node.parent).filter((one) => boxes.has(one));
    return all[all.indexOf(node) + by] ?? node;
  };

  const onKey = (event, node, root) => {
    const actions = {
      ArrowDown: () => moveTo(ordered(node).find((one) => boxes.has(one)) ?? node),
      ArrowUp: () => moveTo(node.parent ?? node),
      ArrowLeft: () => moveTo(sibling(node, -1)),
      ArrowRight: () => moveTo(sibling(node, 1)),
      Home: () => moveTo(root),
      Enter: () => zoomTo(node),
      " ": () => zoomTo(node),
      Escape: () => zoomTo(zoomed(root).parent ?? root),
    };
    if (!actions[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    actions[event.key]();
  };

  const box = (node, root, left, width, noun, isAncestor) => {
    const siblings = node.parent ? ordered(node.parent) : [node];
    const text = describe(node, root, noun);
    const element = h("div", {
      class: ["box", `lang-${node.language}`, matches(node) ? "match" : "", isAncestor ? "ancestor" : ""].filter(Boolean).join(" "),
      role: "treeitem", tabindex: -1, title: text, "aria-label": text, "data-key": keyOf(node),
      "aria-level": node.depth + 1, "aria-setsize": siblings.length, "aria-posinset": siblings.indexOf(node) + 1,
      "aria-expanded": node.children.size ? "true" : null,
      onclick: () => zoomTo(node),
      onkeydown: (event) => onKey(event, node, root),
      onfocus: () => { byId("flame-frame").textContent = text; },
      onpointerenter: () => { byId("flame-frame").textContent = text; },
    }, h("span", {}, node.name));
    element.style.left = `${left}%`;
    element.style.width = `${width}%`;
    element.style.top = `${node.depth * kRow}px`;
    boxes.set(node, element);
    return element;
  };

  const layOut = (node, root, left, width, noun, out) => {
    out.push(box(node, root, left, width, noun, false));
    let at = left;
    let deepest = node.depth;
    for (const next of ordered(node)) {
      const share = (width * next.weight) / node.weight;
      if (share >= kNarrowest) deepest = Math.max(deepest, layOut(next, root, at, share, noun, out));
      at += share;
    }
    return deepest;
  };

  const legend = (root) => {
    const languages = new Set();
    const visit = (node) => {
      languages.add(node.language);
      node.children.forEach(visit);
    };
    visit(root);
    return h("ul", { class: "legend" }, kLanguages.filter((one) => languages.has(one)).map((language) =>
      h("li", {}, h("span", { class: `swatch lang-${language}`, "aria-hidden": "true" }), language)));
  };

  const kMostRows = 2000;
  const asTable = (root, noun) => {
    const rows = [];
    const visit = (node) => {
      if (rows.length >= kMostRows) return;
      const name = h("span", { class: "indented" }, node.name);
      name.style.paddingLeft = `${Math.min(node.depth, 12)}em`;
      rows.push([name, String(node.depth), node.language, node.place, number(node.weight), share(node, root)]);
      ordered(node).forEach(visit);
    };
    visit(root);
    return pqleash.table("Frames, outermost first", [{ title: "frame" }, { title: "depth", number: true }, { title: "language" }, { title: "place" },
      { title: noun, number: true }, { title: "share", number: true }], rows);
  };

  const showFound = (root) => {
    let found = 0;
    // A frame below one that matches is counted with it.
    const visit = (node) => {
      if (matches(node)) found += node.weight;
      else node.children.forEach(visit);
    };
    visit(root);
    byId("flame-found").textContent = ui.query === "" ? "" : `${number(found)} of ${number(root.weight)} in frames that match`;
  };

  pqleash.showFlame = (report) => {
    drawnReport = report;
    boxes.clear();
    const metric = byId("flame-metric").value;
    const noun = kMetrics[metric];
    const root = pqleash.flameTree(report, metric, byId("flame-native").checked);
    const body = byId("flame-body");
    byId("flame-table").replaceChildren();
    byId("flame-legend").replaceChildren();
    byId("flame-frame").textContent = "";
    byId("flame-reset").disabled = ui.zoom.length === 0;
    showFound(root);
    if (root.weight === 0) {
      body.replaceChildren(h("p", { class: "quiet" }, `No connections: nothing is ${noun}.`));
      return;
    }
    const top = zoomed(root);
    const out = [];
    for (let node = top.parent; node; node = node.parent) out.unshift(box(node, root, 0, 100, noun, true));
    const deepest = layOut(top, root, 0, 100, noun, out);
    boxes.get(top).tabIndex = 0;
    const tree = h("div", { class: "flame", role: "tree", "aria-label": "Flame graph. Arrow keys move between frames, Enter zooms in, Escape zooms out." }, out);
    tree.style.height = `${(deepest + 1) * kRow}px`;
    body.replaceChildren(tree);
    byId("flame-frame").textContent = describe(top, root, noun);
    byId("flame-legend").replaceChildren(legend(root));
    byId("flame-table").replaceChildren(pqleash.disclosure("flame table", "As a table", () => asTable(root, noun)));
  };

  pqleash.listenToFlame = () => {
    byId("flame-controls").addEventListener("submit", (event) => event.preventDefault());
    byId("flame-metric").addEventListener("change", () => redraw());
    byId("flame-native").addEventListener("change", () => redraw());
    byId("flame-search").addEventListener("input", (event) => {
      ui.query = event.target.value.trim();
      redraw();
    });
    byId("flame-search").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.target.value = "";
      ui.query = "";
      redraw();
    });
    byId("flame-reset").addEventListener("click", () => {
      ui.zoom = [];
      redraw();
    });
  };
})();
