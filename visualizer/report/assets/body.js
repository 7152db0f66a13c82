// The body map: a class's important joints on a skeleton, and as a list.
"use strict";

{
  const { classes, clips, joints, bones, values, order, places } = findings.body;
  const LISTED = 12;

  function draw(k, map, list) {
    const told = clips[k] > 0;
    map.replaceChildren(...(told ? [...places_of_bones(), ...places_of_joints(values[k])] : []));
    list.replaceChildren(...(told ? order[k].slice(0, LISTED).map((v) => bar(joints[v], values[k][v]))
      : [make("li", { class: "muted" }, "No clip of this class: nothing is known of its joints.")]));
    return told ? `over ${clips[k]} ${clips[k] === 1 ? "clip" : "clips"}` : "";
  }

  function places_of_bones() {
    return bones.map(([a, b]) => make("line", { x1: places[a][0], y1: places[a][1], x2: places[b][0], y2: places[b][1] }));
  }

  function places_of_joints(row) {
    const ascending = [...row.keys()].sort((a, b) => row[a] - row[b]);
    return ascending.map((v) => {
      const [cx, cy] = places[v];
      return make("circle", { cx, cy, r: 1.1 + (2.3 * row[v]) / 100, fill: heat(2.55 * row[v]) },
        make("title", {}, `${joints[v]}: ${row[v]}`));
    });
  }

  function bar(name, value) {
    const filled = make("span", { class: "bar" });
    filled.style.setProperty("--value", `${value}%`);
    filled.style.setProperty("--fill", heat(2.55 * value));
    return make("li", {}, make("span", {}, name.replaceAll("_", " ")), filled, make("b", {}, value));
  }

  function build(root) {
    const map = make("svg", { viewBox: "-56 -56 112 112", role: "img", "aria-label": "body map" });
    const list = make("ol"), said = make("span", { class: "muted", "aria-live": "polite" });
    const choice = make("select", { id: "body-class" },
      ...classes.map((name, k) => make("option", { value: k }, clips[k] ? name : `${name} – no clip`)));
    const show = () => { said.textContent = draw(Number(choice.value), map, list); };
    choice.value = Math.max(0, clips.findIndex((count) => count > 0));
    choice.addEventListener("change", show);
    document.addEventListener("theme", show);
    root.append(make("p", { class: "tools" }, make("label", {}, "Class ", choice), said), make("div", { class: "body" }, map, list));
    show();
  }

  const root = document.getElementById("body-map");
  if (root) whenSeen(root, () => build(root));
}
