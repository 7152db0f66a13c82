// What the other scripts share: the findings, elements, colours, and drawing only what comes into view.
"use strict";

const findings = JSON.parse(document.getElementById("findings").textContent);

/** Returns an element; texts among its children stay texts, whatever is in them. */
function make(name, attributes = {}, ...children) {
  const space = ["svg", "line", "circle", "title"].includes(name) ? "http://www.w3.org/2000/svg" : null;
  const element = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const probe = make("span", { hidden: true });
document.body.append(probe);
let known = new Map();
document.addEventListener("theme", () => { known = new Map(); });

/** Returns what a colour of the page, such as "--accent", is now. */
function colour(name) {
  if (!known.has(name)) {
    probe.style.color = `var(${name})`;
    known.set(name, getComputedStyle(probe).color);
  }
  return known.get(name);
}

/** Calls `draw` once, when an element is about to be seen, or printed. */
function whenSeen(element, draw) {
  const once = () => {
    seen.disconnect();
    removeEventListener("beforeprint", once);
    draw();
  };
  const seen = new IntersectionObserver((entries) => entries.some((each) => each.isIntersecting) && once(), { rootMargin: "300px" });
  seen.observe(element);
  addEventListener("beforeprint", once);
}

const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const reading = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(target.id).setAttribute("aria-current", "true");
  }
}, { rootMargin: "-20% 0px -70% 0px" });
for (const id of links.keys()) reading.observe(document.getElementById(id));
