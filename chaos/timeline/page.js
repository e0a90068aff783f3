"use strict";
/* Draws what the data block holds. Everything is sorted by time, so that a frame looks at what is in view alone:
 * a search by halves finds its beginning. Texts are shown as texts, whatever they say. */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const by = (id) => document.getElementById(id);
  const GUTTER = 72, AXIS = 24, ROW = 18, PAD = 14, NEAR = 7, SECOND = 1e6, MOST_ARROWS = 6000;
  const HIDDEN_TYPES = new Set(["PING", "PONG"]), HIDDEN_KINDS = new Set(["disk", "node"]);
  const FATE = { arrived: 0, gossip: 1, lost: 2, never: 3 };
  const { hosts, records, kinds, spans, lanes } = data;
  const END = Math.max(data.end, SECOND / 100);

  const text = (value) => (typeof value === "number" && value < 0 ? data.texts[-1 - value] : value);
  const seconds = (at, digits = 3) => (at / SECOND).toFixed(digits);
  const kindOf = (record) => kinds[record[2]];
  const valueOf = (record, name) => {
    const place = data.fields[record[2]].indexOf(name);
    return place < 0 ? null : text(record[3 + place]);
  };

  function element(name, props = {}, ...children) {
    const made = Object.assign(document.createElement(name), props);
    made.append(...children);
    return made;
  }

  /* The first place from which on `test` holds; it must never cease to hold again. */
  function firstPlace(length, test) {
    let low = 0, high = length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (test(middle)) high = middle; else low = middle + 1;
    }
    return low;
  }

  // what is drawn, made once

  const arrows = data.arrows.map(([from, to, source, target, fate, sent, arrived]) => {
    const start = sent < 0 ? null : records[sent];
    return { from, to, source, target, fate, sent, arrived, type: (start && valueOf(start, "type")) || "unknown" };
  });
  const ways = new Map(); // from where, to where, of which type, and its fate: a number for each such way
  for (const arrow of arrows) {
    const way = `${arrow.source}/${arrow.target}/${arrow.type}/${arrow.fate}`;
    if (!ways.has(way)) ways.set(way, ways.size);
    arrow.way = ways.get(way);
  }
  const columns = new Float64Array(ways.size);
  const latestEnd = new Float64Array(arrows.length); // of all arrows so far: where a search by halves can begin
  arrows.forEach((arrow, place) => { latestEnd[place] = Math.max(arrow.to, place ? latestEnd[place - 1] : 0); });

  const MARKED = new Set(["fault", "state", "node", "disk", "command", "violation"]);
  const lasting = new Set(spans.map((span) => span.record));
  const marks = [];
  records.forEach((record, index) => {
    const kind = kindOf(record);
    if (MARKED.has(kind) && !lasting.has(index)) marks.push({ at: record[0], lane: record[1], kind, index });
  });
  const violations = marks.filter((mark) => mark.kind === "violation");

  function counted(values) {
    const counts = new Map();
    for (const value of values) counts.set(value, (counts.get(value) || 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]);
  }
  const PALETTE = ["#3b7ddd", "#2a9d6f", "#a566d6", "#e08a1e", "#1ba3b8", "#d8569b", "#7c8f1f", "#8467ff", "#b0713f", "#5b8aa6"];
  const typeCounts = counted(arrows.map((arrow) => arrow.type));
  const kindCounts = counted(marks.map((mark) => mark.kind));
  const colourOf = new Map();
  [...typeCounts].sort((a, b) => HIDDEN_TYPES.has(a[0]) - HIDDEN_TYPES.has(b[0]))
    .forEach(([type], place) => colourOf.set(type, PALETTE[place % PALETTE.length]));
  const off = { types: new Set(HIDDEN_TYPES), kinds: new Set(HIDDEN_KINDS) };

  // Faults that last lie in rows above the lanes, each in the first row that is free when it begins.
  const rowEnds = [];
  for (const span of spans) {
    let row = rowEnds.findIndex((until) => until <= span.from);
    if (row < 0) row = rowEnds.length < 6 ? rowEnds.length : 5;
    rowEnds[row] = Math.max(rowEnds[row] || 0, span.until);
    span.row = row;
  }
  const TOP = AXIS + (rowEnds.length + 1) * ROW + 10; // one row more for faults of a moment

  // the view

  const canvas = by("canvas"), pen = canvas.getContext("2d");
  const view = { from: 0, until: END, scroll: 0, width: 0, height: 0, lane: 60, share: 1 };
  let hits = [], pinned = null, pointed = null, colours = {}, asked = false;

  const scale = () => (view.width - GUTTER - PAD) / (view.until - view.from);
  const xOf = (at) => GUTTER + (at - view.from) * scale();
  const atOf = (x) => view.from + (x - GUTTER) / scale();
  const yOf = (lane) => TOP + view.lane * (lane + 0.5) - view.scroll;

  function show(from, until) {
    const length = Math.min(Math.max(until - from, 20), END * 1.04);
    const begin = Math.min(Math.max(from, -END * 0.02), END * 1.02 - length);
    view.from = begin;
    view.until = begin + length;
    ask();
  }
  const zoom = (factor, at = (view.from + view.until) / 2) =>
    show(at - (at - view.from) * factor, at + (view.until - at) * factor);
  const move = (share) => { const by = (view.until - view.from) * share; show(view.from + by, view.until + by); };
  const jump = (at) => {
    const length = Math.min(view.until - view.from, 6 * SECOND);
    show(at - length * 0.7, at + length * 0.3);
  };
  function scroll(by) {
    const most = Math.max(0, TOP + view.lane * hosts.length - view.height);
    view.scroll = Math.min(Math.max(view.scroll + by, 0), most);
    ask();
  }

  function measure() {
    const box = canvas.getBoundingClientRect(), dense = window.devicePixelRatio || 1;
    view.width = box.width;
    view.height = box.height;
    canvas.width = Math.round(box.width * dense);
    canvas.height = Math.round(box.height * dense);
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    view.lane = Math.min(150, Math.max(34, (view.height - TOP - 6) / Math.max(1, hosts.length)));
    const style = getComputedStyle(document.documentElement);
    for (const name of ["back", "ink", "dim", "edge", "band", "bad", "good", "warm", "lost", "focus", "panel"])
      colours[name] = style.getPropertyValue(`--${name}`).trim();
    scroll(0);
    draw(); // at once: a canvas that is measured anew is blank
  }
  function ask() {
    if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; draw(); }); }
  }

  // drawing, from the back to the front

  function draw() {
    hits = [];
    pen.clearRect(0, 0, view.width, view.height);
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, 0, view.width - GUTTER, view.height);
    pen.clip();
    pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, TOP - 8, view.width, view.height);
    pen.clip();
    drawLanes();
    drawSides();
    const drawn = drawArrows();
    pen.restore();
    drawAxis();
    drawSpans();
    const marked = drawMarks();
    drawChosen();
    pen.restore();
    placeLabels();
    canvas.dataset.arrows = drawn;
    canvas.dataset.violations = marked;
    by("shown").textContent =
      `${seconds(Math.max(0, view.from), 2)} s to ${seconds(Math.min(END, view.until), 2)} s · ${drawn} arrows` +
      (view.share > 1 ? ` (one in ${view.share}, and every lost one: zoom in for all)` : "");
  }

  function drawAxis() {
    const rough = (view.until - view.from) / Math.max(2, view.width / 110);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= rough);
    const digits = Math.max(0, Math.ceil(6 - Math.log10(step)));
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    pen.strokeStyle = colours.edge;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let at = Math.ceil(Math.max(0, view.from) / step) * step; at <= view.until; at += step) {
      const x = Math.round(xOf(at)) + 0.5;
      pen.moveTo(x, AXIS - 4);
      pen.lineTo(x, AXIS);
      pen.fillStyle = colours.dim;
      pen.fillText(`${seconds(at, digits)} s`, x, AXIS / 2);
    }
    pen.moveTo(GUTTER, AXIS + 0.5);
    pen.lineTo(view.width, AXIS + 0.5);
    pen.stroke();
  }

  const LOOKS = { OPERATIONAL: "good", running: "good", down: "bad", paused: "warm", absent: "edge" };

  function drawLanes() {
    hosts.forEach((_, lane) => {
      const y = yOf(lane);
      if (y < TOP - view.lane || y > view.height + view.lane) return;
      if (lane % 2 === 0) {
        pen.fillStyle = colours.band;
        pen.fillRect(GUTTER, y - view.lane / 2, view.width, view.lane);
      }
      for (const [from, until, state, index] of lanes[lane]) {
        if (until < view.from || from > view.until) continue;
        const left = Math.max(GUTTER, xOf(from)), width = Math.max(1, xOf(until) - left);
        pen.globalAlpha = 1;
        pen.fillStyle = colours[LOOKS[state] || "focus"];
        if (state === "down" || state === "paused") drawGap(state, left, y, width);
        else if (state === "absent") pen.fillRect(left, y - 0.5, width, 1);
        else pen.fillRect(left, y - 1, width, 2);
        if (state === "OPERATIONAL" || state === "absent" || width < 70) continue;
        pen.textAlign = "left";
        pen.textBaseline = state === "down" || state === "paused" ? "middle" : "bottom";
        const shift = pen.textBaseline === "middle" ? 0 : -3;
        pen.fillText(fitting(state, width - 8), left + 9, y + shift);
        if (index >= 0) hits.push({ kind: "mark", x: left + 4, y, records: [index] });
      }
    });
  }

  /* A time in which a process did nothing: hatched, so that it is told apart without colours too. */
  function drawGap(state, left, y, width) {
    const half = Math.min(12, view.lane / 4);
    pen.save();
    pen.globalAlpha = 0.14;
    pen.fillRect(left, y - half, width, half * 2);
    pen.globalAlpha = 0.45;
    pen.strokeStyle = pen.fillStyle;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.rect(left, y - half, width, half * 2);
    pen.clip();
    const lean = state === "down" ? half : 0;
    for (let x = Math.max(left, GUTTER); x < Math.min(left + width, view.width) + half; x += 7) {
      pen.moveTo(x - lean, y + half);
      pen.lineTo(x + lean, y - half);
    }
    pen.stroke();
    pen.restore();
  }

  function fitting(words, width) {
    const most = Math.floor(width / 6.4);
    return words.length <= most ? words : most < 4 ? "" : `${words.slice(0, most - 1)}…`;
  }

  /* The two sides of a fault that lasts, as strips at the lanes' edges: one side's above, the other's below. */
  function drawSides() {
    for (const span of spans) {
      if (span.until < view.from || span.from > view.until) continue;
      const left = Math.max(GUTTER, xOf(span.from)), width = Math.max(2, Math.min(view.width, xOf(span.until)) - left);
      span.sides.forEach((side, which) => {
        for (const lane of side) {
          pen.globalAlpha = text(span.name) === "cut" ? 0.1 : 0.05;
          pen.fillStyle = which ? colours.focus : colours.warm;
          const top = yOf(lane) - view.lane / 2;
          pen.fillRect(left, top, width, view.lane);
          pen.globalAlpha = 0.7;
          pen.fillRect(left, which ? top + view.lane - 2 : top, width, 2);
        }
      });
    }
    pen.globalAlpha = 1;
  }

  function drawSpans() {
    pen.textBaseline = "middle";
    for (const span of spans) {
      if (span.until < view.from || span.from > view.until) continue;
      const left = Math.max(GUTTER, xOf(span.from)), width = Math.max(3, Math.min(view.width, xOf(span.until)) - left);
      const top = AXIS + 4 + (span.row + 1) * ROW;
      pen.fillStyle = colours.warm;
      pen.globalAlpha = 0.25;
      pen.fillRect(left, top, width, ROW - 3);
      pen.globalAlpha = 1;
      pen.fillRect(left, top, 2, ROW - 3);
      pen.fillStyle = colours.ink;
      pen.textAlign = "left";
      pen.fillText(fitting(`${text(span.name)}  ${text(span.detail) ?? ""}`, width - 8), left + 6, top + (ROW - 3) / 2 + 0.5);
      hits.push({ kind: "box", left, top, width, height: ROW - 3, records: [span.record] });
    }
  }

  function drawArrows() {
    const first = firstPlace(arrows.length, (place) => latestEnd[place] >= view.from);
    const last = firstPlace(arrows.length, (place) => arrows[place].from > view.until);
    const seen = (arrow) => arrow.to >= view.from && !off.types.has(arrow.type);
    let candidates = 0, drawn = 0;
    for (let place = first; place < last; place++) if (seen(arrows[place])) candidates++;
    view.share = Math.ceil(candidates / MOST_ARROWS) || 1;
    const lines = new Map();
    columns.fill(-Infinity);
    for (let place = first; place < last; place++) {
      const arrow = arrows[place];
      if (!seen(arrow) || (arrow.fate < FATE.lost && place % view.share)) continue;
      const line = lineOf(arrow), column = Math.round(line[0]);
      if (columns[arrow.way] === column) continue; // one stands in this column of pixels already
      columns[arrow.way] = column;
      if (Math.max(line[1], line[3]) < TOP - 9 || Math.min(line[1], line[3]) > view.height) continue;
      const style = arrow.fate >= FATE.lost ? "lost" : arrow.fate === FATE.gossip ? `~${arrow.type}` : arrow.type;
      if (!lines.has(style)) lines.set(style, []);
      lines.get(style).push([line, arrow.fate]);
      hits.push({ kind: "line", line, records: [arrow.sent, arrow.arrived].filter((index) => index >= 0) });
      drawn++;
    }
    const heads = drawn < 4000;
    pen.lineWidth = 1.2;
    pen.globalAlpha = drawn > 1500 ? 0.55 : 0.85;
    for (const [style, group] of lines) {
      const gossip = style[0] === "~";
      pen.strokeStyle = pen.fillStyle = style === "lost" ? colours.bad : colourOf.get(gossip ? style.slice(1) : style);
      pen.setLineDash(gossip && heads ? [5, 3] : []);
      pen.beginPath();
      for (const [[x1, y1, x2, y2]] of group) { pen.moveTo(x1, y1); pen.lineTo(x2, y2); }
      pen.stroke();
      pen.setLineDash([]);
      if (heads) drawHeads(style, group);
    }
    pen.globalAlpha = 1;
    return drawn;
  }

  /* Where an arrow runs. A lost one ends on half its way. */
  function lineOf({ from, to, source, target, fate }) {
    const x1 = xOf(from), y1 = yOf(source), y2 = target < 0 ? y1 + view.lane / 2 : yOf(target);
    if (fate < FATE.lost) return [x1, y1, xOf(to), y2];
    return [x1, y1, x1 + 8, y1 + Math.sign(y2 - y1) * Math.min(Math.abs(y2 - y1), view.lane) * 0.4];
  }

  /* The ends of all arrows of one style, as one path. */
  function drawHeads(style, group) {
    pen.beginPath();
    for (const [[x1, y1, x2, y2], fate] of group) {
      if (fate === FATE.never) {
        pen.moveTo(x2 + 3, y2);
        pen.arc(x2, y2, 3, 0, 7);
      } else if (fate === FATE.lost) {
        pen.moveTo(x2 - 3.5, y2 - 3.5); pen.lineTo(x2 + 3.5, y2 + 3.5);
        pen.moveTo(x2 - 3.5, y2 + 3.5); pen.lineTo(x2 + 3.5, y2 - 3.5);
      } else {
        const way = Math.atan2(y2 - y1, x2 - x1);
        pen.moveTo(x2, y2);
        pen.lineTo(x2 - 7 * Math.cos(way - 0.4), y2 - 7 * Math.sin(way - 0.4));
        pen.lineTo(x2 - 7 * Math.cos(way + 0.4), y2 - 7 * Math.sin(way + 0.4));
      }
    }
    if (style === "lost") pen.stroke(); else pen.fill();
  }

  const SHAPES = {
    command: (x, y) => polygon([[x, y - 5], [x + 5, y], [x, y + 5], [x - 5, y]]),
    node: (x, y) => { pen.beginPath(); pen.arc(x, y, 3, 0, 7); pen.fill(); },
    disk: (x, y) => pen.fillRect(x - 3, y - 3, 6, 6),
    started: (x, y) => polygon([[x - 4, y - 6], [x + 5, y], [x - 4, y + 6]]),
    down: (x, y) => pen.fillRect(x - 4, y - 4, 8, 8),
    paused: (x, y) => { pen.fillRect(x - 4, y - 5, 3, 10); pen.fillRect(x + 1, y - 5, 3, 10); },
    fault: (x, y) => polygon([[x, y], [x - 5, y - 9], [x + 5, y - 9]]),
    violation: (x, y) => polygon([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((corner) => {
      const far = corner % 2 ? 4 : 10, turn = (corner / 10) * 2 * Math.PI - Math.PI / 2;
      return [x + far * Math.cos(turn), y + far * Math.sin(turn)];
    })),
  };
  const INKS = {
    command: "ink", node: "dim", disk: "warm", fault: "warm", violation: "bad",
    state: "focus", started: "focus", down: "bad", paused: "warm",
  };
  const lookOf = (mark) => {
    if (mark.kind !== "state") return mark.kind;
    const state = valueOf(records[mark.index], "state");
    return state === "down" || state === "paused" ? state : "started";
  };

  function polygon(points) {
    pen.beginPath();
    points.forEach(([x, y]) => pen.lineTo(x, y));
    pen.closePath();
    pen.fill();
  }

  function drawMarks() {
    const first = firstPlace(marks.length, (place) => marks[place].at >= view.from);
    const columns = new Set();
    let red = 0, lastLabel = -Infinity;
    for (let place = first; place < marks.length && marks[place].at <= view.until; place++) {
      const mark = marks[place];
      if (off.kinds.has(mark.kind)) continue;
      const x = xOf(mark.at), y = mark.lane < 0 ? AXIS + 4 + ROW - 4 : yOf(mark.lane);
      const column = `${mark.lane}/${mark.kind}/${Math.round(x)}`;
      if (columns.has(column)) continue;
      columns.add(column);
      if (mark.lane >= 0 && y < TOP - 8) continue;
      pen.fillStyle = colours[INKS[mark.kind]];
      if (mark.kind === "violation") { drawViolation(mark, x); red++; }
      if (mark.kind === "fault") lastLabel = drawMoment(mark, x, y, lastLabel);
      const look = lookOf(mark);
      pen.fillStyle = colours[INKS[look]];
      SHAPES[look](x, y);
      hits.push({ kind: "mark", x, y: mark.kind === "fault" ? y - 5 : y, records: [mark.index] });
    }
    return red;
  }

  function drawMoment(mark, x, y, lastLabel) {
    if (x < lastLabel) return lastLabel;
    const record = records[mark.index];
    const words = `${valueOf(record, "name")} ${valueOf(record, "detail") ?? ""}`.slice(0, 40);
    pen.globalAlpha = 0.35;
    pen.fillRect(x, y, 1, view.height);
    pen.globalAlpha = 1;
    pen.fillStyle = colours.dim;
    const width = pen.measureText(words).width, fits = x + 8 + width < view.width;
    const left = fits ? x + 8 : x - 8 - width;
    if (left < lastLabel) return lastLabel;
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.fillText(words, left, y - 4);
    return (fits ? left + width : x) + 6;
  }

  function drawViolation(mark, x) {
    pen.fillRect(x - 1, AXIS, 2, view.height);
    const words = `violation: ${valueOf(records[mark.index], "checker")}`;
    const width = pen.measureText(words).width + 12, left = x + width > view.width ? x - width : x;
    pen.fillRect(left, AXIS + 1, width, 16);
    pen.fillStyle = colours.back;
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.fillText(words, left + 6, AXIS + 9.5);
    pen.fillStyle = colours.bad;
  }

  function drawChosen() {
    for (const hit of [pinned, pointed]) {
      if (!hit) continue;
      const same = hits.find((one) => one.records[0] === hit.records[0]) || null;
      if (!same) continue;
      pen.strokeStyle = pen.fillStyle = colours.ink;
      pen.lineWidth = 2.5;
      pen.beginPath();
      if (same.kind === "line") { pen.moveTo(same.line[0], same.line[1]); pen.lineTo(same.line[2], same.line[3]); }
      else if (same.kind === "box") pen.rect(same.left, same.top, same.width, same.height);
      else pen.arc(same.x, same.y, 9, 0, 7);
      pen.stroke();
    }
  }

  const labels = hosts.map((host) => element("li", { textContent: host, title: host }));
  by("lanes").append(...labels);
  function placeLabels() {
    labels.forEach((label, lane) => {
      label.style.top = `${yOf(lane)}px`;
      label.style.visibility = yOf(lane) < TOP - 4 ? "hidden" : "visible";
    });
  }

  // pointing and reading

  function distance(hit, x, y) {
    if (hit.kind === "mark") return Math.hypot(hit.x - x, hit.y - y) - 4;
    if (hit.kind === "box") {
      const inside = x >= hit.left && x <= hit.left + hit.width && y >= hit.top && y <= hit.top + hit.height;
      return inside ? 0 : Infinity;
    }
    const [x1, y1, x2, y2] = hit.line, dx = x2 - x1, dy = y2 - y1;
    const along = Math.min(1, Math.max(0, ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy || 1)));
    return Math.hypot(x1 + along * dx - x, y1 + along * dy - y);
  }
  function nearest(x, y) {
    let best = null, least = NEAR;
    for (const hit of hits) {
      const far = distance(hit, x, y);
      if (far < least) { least = far; best = hit; }
    }
    return best;
  }

  function fact(name, value) {
    return element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: String(value ?? "–") }));
  }
  function described(index) {
    const record = records[index];
    const list = element("dl", {}, fact("at", `${seconds(record[0], 6)} s`), fact("host", hosts[record[1]] ?? "the world"),
      fact("record", kindOf(record)));
    data.fields[record[2]].forEach((name, place) => list.append(fact(name, text(record[3 + place]))));
    return list;
  }

  function point(event) {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    pointed = nearest(x, y);
    const tip = by("tip");
    tip.hidden = !pointed;
    if (pointed) {
      tip.replaceChildren(...pointed.records.map(described));
      tip.style.left = `${Math.max(0, Math.min(x + 14, view.width - tip.offsetWidth - 6))}px`;
      tip.style.top = `${Math.max(0, Math.min(y + 14, view.height - tip.offsetHeight - 6))}px`;
    }
    ask();
  }
  function pin(indexes) {
    pinned = indexes.length ? { records: indexes } : null;
    const none = element("p", { className: "dim", textContent: "Point at an arrow or a mark to read it, click to keep it here." });
    const steps = element("div", { className: "line" });
    if (pinned) {
      steps.append(
        element("button", { type: "button", textContent: "← record before", onclick: () => step(indexes[0] - 1) }),
        element("button", { type: "button", textContent: "record after →", onclick: () => step(indexes.at(-1) + 1) }),
      );
    }
    by("pinned").replaceChildren(element("h2", { textContent: "Record" }), ...(pinned ? indexes.map(described) : [none]), steps);
    ask();
  }
  function step(index) {
    if (!records[index]) return;
    if (records[index][0] < view.from || records[index][0] > view.until) jump(records[index][0]);
    pin([index]);
  }

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, far: 0 };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) { point(event); return; }
    const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
    drag = { x: event.clientX, y: event.clientY, far: drag.far + Math.abs(dx) + Math.abs(dy) };
    canvas.classList.add("dragging");
    show(view.from - dx / scale(), view.until - dx / scale());
    scroll(-dy);
  });
  canvas.addEventListener("pointerup", (event) => {
    canvas.classList.remove("dragging");
    if (drag && drag.far < 4) { point(event); pin(pointed ? pointed.records : []); }
    drag = null;
  });
  canvas.addEventListener("pointerleave", () => { pointed = null; by("tip").hidden = true; ask(); });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.shiftKey) scroll(event.deltaY || event.deltaX);
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) move(event.deltaX / view.width);
    else zoom(Math.exp(event.deltaY * 0.0015), atOf(event.clientX - canvas.getBoundingClientRect().left));
  }, { passive: false });
  const KEYS = {
    "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), "0": () => show(0, END),
    ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2), ArrowUp: () => scroll(-60), ArrowDown: () => scroll(60),
    Escape: () => pin([]),
  };
  canvas.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (act && !event.ctrlKey && !event.metaKey) { event.preventDefault(); act(); }
  });
  const BUTTONS = { in: () => zoom(0.6), out: () => zoom(1 / 0.6), all: () => show(-END * 0.02, END * 1.02), earlier: () => move(-0.4), later: () => move(0.4) };
  for (const [id, act] of Object.entries(BUTTONS)) by(id).addEventListener("click", act);

  // what stands around the picture

  function choices(id, counts, hidden, swatch) {
    for (const [name, count] of counts) {
      const box = element("input", { type: "checkbox", checked: !hidden.has(name) });
      box.addEventListener("change", () => { if (box.checked) hidden.delete(name); else hidden.add(name); ask(); });
      const colour = element("i", { className: "swatch" });
      colour.style.background = swatch(name);
      by(id).append(element("label", {}, box, colour, name, element("span", { className: "count", textContent: count })));
    }
  }

  function story() {
    const MOST = 2000, told = new Set(["fault", "state", "violation"]);
    const items = records.map((record, index) => ({ record, index })).filter(({ record }) => told.has(kindOf(record)));
    for (const { record, index } of items.slice(0, MOST)) {
      const words = [hosts[record[1]], ...record.slice(3).map(text)].filter((word) => word).join(" · ");
      const button = element("button", { type: "button", className: kindOf(record) },
        element("time", { textContent: `${seconds(record[0], 2)} s` }), element("span", { textContent: words }));
      button.addEventListener("click", () => { jump(record[0]); pin([index]); });
      by("story").append(element("li", {}, button));
    }
    if (items.length > MOST) by("story").append(element("li", { textContent: `and ${items.length - MOST} more` }));
  }

  function legend() {
    const svg = (inner) => {
      const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      for (const [name, attributes] of inner) {
        const part = document.createElementNS("http://www.w3.org/2000/svg", name);
        for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
        drawing.append(part);
      }
      return drawing;
    };
    const line = (dash) => ["line", { x1: 1, y1: 6, x2: 27, y2: 6, stroke: "currentColor", "stroke-width": 1.5, "stroke-dasharray": dash }];
    const shape = (points, colour) => ["polygon", { points, fill: colour }];
    const box = (colour) => ["rect", { x: 3, y: 1, width: 26, height: 10, fill: colour, opacity: 0.3 }];
    const rows = [
      [[line("0"), shape("27,2 34,6 27,10", "currentColor")], "message"],
      [[line("5 3"), shape("27,2 34,6 27,10", "currentColor")], "hop of gossip"],
      [[["path", { d: "M2 6H16M12 2l8 8M20 2l-8 8", stroke: "var(--bad)", fill: "none", "stroke-width": 1.5 }]], "lost"],
      [[["path", { d: "M2 6H14", stroke: "var(--bad)" }], ["circle", { cx: 18, cy: 6, r: 3.5, stroke: "var(--bad)", fill: "none" }]], "never arrived"],
      [[box("var(--bad)")], "process down"],
      [[box("var(--warm)")], "paused, or a fault that lasts"],
      [[["rect", { x: 1, y: 1, width: 15, height: 10, fill: "var(--warm)", opacity: 0.35 }], ["rect", { x: 18, y: 1, width: 15, height: 10, fill: "var(--focus)", opacity: 0.35 }]], "the two sides of a fault"],
      [[shape("11,0 23,0 17,11", "var(--warm)")], "fault"],
      [[shape("12,0 22,6 12,12", "var(--focus)")], "started, resumed"],
      [[shape("17,0 23,6 17,12 11,6", "currentColor")], "a user's command answered"],
      [[shape("17,0 19,4 24,4 20,7 22,12 17,9 12,12 14,7 10,4 15,4", "var(--bad)")], "violation"],
    ];
    for (const [drawing, words] of rows) by("legend").append(element("span", {}, svg(drawing), words));
  }

  function header() {
    const broken = violations.length > 0;
    by("title").textContent = data.title;
    by("verdict").textContent = broken ? "an invariant broke" : "every invariant held";
    by("verdict").className = broken ? "broken" : "held";
    for (const mark of violations.slice(0, 20)) {
      const words = `go to ${valueOf(records[mark.index], "checker")} at ${seconds(mark.at, 2)} s`;
      const button = element("button", { type: "button", textContent: words, title: String(valueOf(records[mark.index], "what")) });
      button.addEventListener("click", () => { jump(mark.at); pin([mark.index]); });
      by("violations").append(button);
    }
    const facts = { scenario: data.scenario, seed: data.seed, swarms: data.swarms };
    facts[data.ground ? "real time" : "virtual time"] = `${seconds(data.end, 2)} s`;
    facts.records = records.length;
    if (data.ground) facts.ground = data.ground; else facts.digest = data.digest;
    if (data.canary) facts.canary = data.canary;
    if (data.left_out) facts["earlier records left out"] = data.left_out;
    for (const [name, value] of Object.entries(facts)) by("facts").append(fact(name, value));
    by("command").textContent = data.command;
    by("copy").addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(data.command); by("copy").textContent = "copied"; }
      catch { getSelection().selectAllChildren(by("command")); }
    });
  }

  header();
  choices("types", typeCounts, off.types, (type) => colourOf.get(type));
  choices("kinds", kindCounts, off.kinds, (kind) => `var(--${INKS[kind]})`);
  story();
  legend();
  by("types-summary").textContent = `messages (${typeCounts.length} types)`;
  if (violations.length) pin([violations[0].index]);
  new ResizeObserver(measure).observe(by("picture"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", measure);
  show(-END * 0.02, END * 1.02);
  measure();
})();
