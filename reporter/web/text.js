// SPDX-License-Identifier: Apache-2.0
//
// Words for values, as the text report has them. Everything here is pure.
"use strict";

const pqleash = {};

(() => {
  // What cannot be seen, or turns the direction of what follows: as in words/escape.cc.
  const kHidden = new RegExp("[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5" +
    "\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ud800-\\uf8ff\\ufe00-\\ufe0f\\ufeff" +
    "\\uffa0\\ufff0-\\uffff\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{10ffff}]", "gu");

  // Text of another process, made safe to look at: it cannot hide, and cannot turn its neighbours around.
  // A backslash is doubled, so that nothing else looks like that.
  pqleash.visible = (text) => String(text ?? "").replaceAll("\\", "\\\\").replace(kHidden, (found) => `\\u{${found.codePointAt(0).toString(16)}}`);

  // The two largest units: '0.2 s', '45 s', '4m 12s', '3h 5m', '2d 4h'; '' for null.
  pqleash.duration = (seconds) => {
    if (seconds === null || seconds === undefined) return "";
    if (seconds > 0 && seconds < 0.1) return `${Math.round(seconds * 1000)} ms`;
    if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
    const whole = Math.floor(seconds);
    if (whole < 60) return `${whole} s`;
    const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
    const first = units.findIndex(([, size]) => whole >= size);
    const [name, size] = units[first];
    const [lower, lowerSize] = units[first + 1] ?? ["", 1];
    const rest = Math.floor((whole % size) / lowerSize);
    return `${Math.floor(whole / size)}${name}` + (lower && rest ? ` ${rest}${lower}` : "");
  };

  pqleash.number = (value) => Number(value).toLocaleString("en-US", { maximumFractionDigits: 1 });

  pqleash.count = (number, noun, plural = `${noun}s`) => `${pqleash.number(number)} ${number === 1 ? noun : plural}`;

  // 'unused_since' → 'unused since'.
  pqleash.words = (name) => pqleash.visible(name).replaceAll("_", " ");

  pqleash.evidence = ({ number, unit }) => {
    if (unit === "s") return pqleash.duration(number);
    return pqleash.number(number) + (unit === "%" ? " %" : "");
  };

  // Of the day, in the reader's time zone.
  pqleash.clock = (time) => new Date(time).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

  // '2026-11-21 12:40:03'.
  pqleash.moment = (time) => {
    if (!time) return "?";
    const date = new Date(time);
    return `${date.toLocaleDateString("sv-SE")} ${pqleash.clock(time)}`;
  };

  const baseName = (path) => String(path).slice(String(path).lastIndexOf("/") + 1);
  pqleash.baseName = (path) => pqleash.visible(baseName(path));

  pqleash.isScript = (frame) => frame.language !== "native";

  const address = (frame) => `0x${Number(frame.offset).toString(16)}`;

  // 'main', 'libdriver.so.1+0x1234', '0x7f0012345678'.
  pqleash.frameName = (frame) => {
    if (frame.function) return pqleash.visible(frame.function);
    if (pqleash.isScript(frame)) return "?";
    return frame.module ? `${pqleash.baseName(frame.module)}+${address(frame)}` : address(frame);
  };

  // 'src/main.cc:12', else the module.
  pqleash.framePlace = (frame) => {
    if (frame.file) return pqleash.visible(frame.file) + (frame.line ? `:${frame.line}` : "");
    if (!frame.module) return "";
    return `${pqleash.visible(frame.module)}+${address(frame)}` + (frame.note ? ` (${pqleash.visible(frame.note)})` : "");
  };

  // The frames to show, innermost first: without the native ones that a script's frames stand for, unless asked for.
  pqleash.shownFrames = (frames, native) => {
    let inScript = false;
    return frames.filter((frame) => {
      inScript = inScript || pqleash.isScript(frame);
      return native || pqleash.isScript(frame) || !inScript;
    });
  };

  pqleash.isOpen = (connection) => connection.state === "established" || connection.state === "resetting";

  // What a connection is doing.
  pqleash.activity = (connection) => {
    if (connection.inherited) return connection.inherited.finished_here ? "inherited, finished here" : "inherited";
    if (connection.in_call) return `in ${pqleash.visible(connection.in_call)} for ${pqleash.duration(connection.in_call_s)}`;
    if (connection.state === "left_open") return "left open until the interpreter's shutdown";
    if (connection.state !== "established") return connection.state;
    const words = {
      idle: "idle",
      active: "command sent, result not fetched",
      in_transaction: "idle in transaction",
      in_failed_transaction: "idle in failed transaction",
    };
    return words[connection.transaction] ?? "established";
  };

  pqleash.target = (connection) => {
    const { user, host, port, dbname } = connection;
    if (!user && !host && !dbname) return "not known yet";
    const shown = host.includes(":") ? `[${host}]` : host;
    return pqleash.visible(`${user}@${shown}${port ? `:${port}` : ""}/${dbname}`);
  };
})();
