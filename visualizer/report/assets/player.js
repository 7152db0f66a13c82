// The player: a stage, what it is told by, and the clips to choose from.
"use strict";

{
  const FRAMES_A_SECOND = 30;
  const HOME = { yaw: 0, pitch: findings.player.flat ? 0 : 0.16 };
  const TURN = Math.PI / 24;
  const { clips, bones, flat } = findings.player;
  const skeletons = new Map();
  const state = { clip: 0, at: 0, view: 0, person: null, speed: 1, playing: false, ...HOME };
  const parts = {};

  function skeleton(index) {
    if (!skeletons.has(index)) skeletons.set(index, new Skeleton(clips[index]));
    return skeletons.get(index);
  }

  const percent = (share) => (share === null ? "-" : `${(100 * share).toFixed(1)}%`);
  const outcome = (clip) => (clip.true === null ? `predicted ${clip.predicted}`
    : clip.true === clip.predicted ? clip.true : `${clip.true} → ${clip.predicted}`);

  function build(root) {
    const change = (key, read) => ({ target }) => { state[key] = read(target.value); refresh(); };
    parts.title = make("h3");
    parts.words = make("p", { class: "muted" });
    parts.canvas = make("canvas", { tabindex: 0, role: "img", onkeydown: press, onpointerdown: drag });
    parts.play = make("button", { type: "button", class: "main", onclick: toggle });
    parts.scrub = make("input", { type: "range", min: 0, step: 1, "aria-label": "frame", oninput: ({ target }) => seek(Number(target.value)) });
    parts.frame = make("output");
    parts.views = make("div", { class: "choice", role: "radiogroup", "aria-label": "class that colours the joints" });
    parts.persons = make("select", { "aria-label": "persons", onchange: change("person", (value) => (value === "" ? null : Number(value))) });
    parts.speed = make("select", { "aria-label": "speed", onchange: change("speed", Number) },
      ...[0.25, 0.5, 1, 2].map((speed) => make("option", { value: speed, selected: speed === 1 }, `${speed}×`)));
    parts.home = make("button", { type: "button", onclick: () => { Object.assign(state, HOME); refresh(); } }, "Reset view");
    parts.legend = make("p", { class: "legend" }, "none or against", make("span", { class: "ramp" }), "for the class");
    const stage = make("div", { class: "stage" }, parts.title, parts.words, parts.canvas,
      make("div", { class: "row" }, parts.play, parts.scrub, parts.frame),
      make("div", { class: "row" }, parts.views, parts.persons, parts.speed, flat ? "" : parts.home), parts.legend);
    root.append(stage, make("div", { class: "list" }, ...group("Wrong, the surest mistakes first", (clip) => clip.true !== null && clip.true !== clip.predicted),
      ...group("Right, the surest first", (clip) => clip.true === clip.predicted),
      ...group("Of no known class", (clip) => clip.true === null)));
    new ResizeObserver(refresh).observe(parts.canvas);
    document.addEventListener("theme", repaint);
    choose(0);
    repaint();
  }

  function group(title, belongs) {
    const found = clips.map((clip, index) => ({ clip, index })).filter(({ clip }) => belongs(clip));
    return found.length ? [make("h4", {}, title), make("div", { class: "picks" }, ...found.map(card))] : [];
  }

  function card({ clip, index }) {
    const picture = make("canvas", { "data-clip": index, "aria-hidden": "true" });
    const words = make("span", {}, make("b", {}, outcome(clip)), make("small", {}, `${percent(clip.shares[0] ?? clip.shares[1])} · ${clip.name}`));
    return make("button", { type: "button", "aria-pressed": "false", onclick: () => { choose(index); play(true); } }, picture, words);
  }

  function choose(index) {
    const clip = clips[index];
    Object.assign(state, { clip: index, at: skeleton(index).middle(), view: 0, person: null });
    parts.title.textContent = clip.name;
    const thinned = clip.step > 1 ? `; every ${clip.step}th frame is shown` : "";
    parts.words.textContent = (clip.true === null ? "" : `True: ${clip.true}, ${percent(clip.shares[0])}. `)
      + `Predicted: ${clip.predicted}, ${percent(clip.shares[1])}${thinned}.`;
    parts.scrub.max = clip.shape[1] - 1;
    parts.views.replaceChildren(...clip.views.map((view, place) => radio(view, place)));
    parts.persons.replaceChildren(make("option", { value: "" }, "all persons"),
      ...clip.persons.map((person, place) => make("option", { value: person }, `person ${place + 1}`)));
    parts.legend.hidden = !clip.views.length;
    parts.persons.disabled = clip.persons.length < 2;
    for (const each of document.querySelectorAll(".picks button")) {
      each.setAttribute("aria-pressed", each.firstElementChild.dataset.clip === String(index));
    }
    refresh();
  }

  function radio(view, place) {
    const box = make("input", { type: "radio", name: "view", checked: place === 0, onchange: () => { state.view = place; refresh(); } });
    return make("label", {}, box, make("span", { class: "muted" }, `${view.role}: `), view.class);
  }

  function refresh() {
    const { clip, T } = skeleton(state.clip), t = Math.min(T - 1, Math.floor(state.at));
    drawSkeleton(parts.canvas, skeleton(state.clip), bones, t, state);
    parts.canvas.setAttribute("aria-label", `${clip.name}, frame ${clip.frames[t]}`);
    parts.scrub.value = t;
    parts.frame.textContent = `${clip.frames[t]} / ${clip.frames.at(-1)}`;
    parts.play.textContent = state.playing ? "Pause" : "Play";
  }

  function repaint() {
    for (const canvas of document.querySelectorAll(".picks canvas")) {
      const drawn = skeleton(Number(canvas.dataset.clip));
      drawSkeleton(canvas, drawn, bones, drawn.middle(), { ...HOME, view: 0, person: null });
    }
    refresh();
  }

  /** Returns how many of the drawn frames pass in a second: some of the clip's own may have been left out. */
  function rate({ frames }) {
    const steps = frames.slice(1).map((frame, i) => frame - frames[i]).filter((step) => step > 0);
    return FRAMES_A_SECOND / (steps.length ? steps.reduce((a, b) => a + b) / steps.length : 1);
  }

  function play(on) {
    if (on && !state.playing) requestAnimationFrame((now) => advance(now, now));
    state.playing = on;
    refresh();
  }

  function toggle() { play(!state.playing); }

  function advance(now, before) {
    if (!state.playing) return;
    const { clip, T } = skeleton(state.clip);
    state.at = (state.at + ((now - before) / 1000) * state.speed * rate(clip)) % T;
    refresh();
    requestAnimationFrame((next) => advance(next, now));
  }

  function seek(t) {
    state.at = t;
    play(false);
  }

  function rotate(yaw, pitch) {
    state.yaw += yaw;
    state.pitch = Math.max(-1.5, Math.min(1.5, state.pitch + pitch));
    refresh();
  }

  function press(event) {
    const turns = { ArrowLeft: [-TURN, 0], ArrowRight: [TURN, 0], ArrowUp: [0, TURN], ArrowDown: [0, -TURN] };
    if (event.key === " ") toggle();
    else if (event.key in turns && !flat) rotate(...turns[event.key]);
    else return;
    event.preventDefault();
  }

  function drag(event) {
    if (flat) return;
    let { clientX: x, clientY: y } = event;
    const move = (next) => {
      rotate((next.clientX - x) / 120, (next.clientY - y) / 120);
      ({ clientX: x, clientY: y } = next);
    };
    parts.canvas.setPointerCapture(event.pointerId);
    parts.canvas.addEventListener("pointermove", move);
    const end = () => parts.canvas.removeEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) parts.canvas.addEventListener(name, end, { once: true });
  }

  const root = document.getElementById("player");
  if (root) whenSeen(root, () => build(root));
}
