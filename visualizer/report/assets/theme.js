// Light or dark: as the system has it, until the reader says otherwise. It runs before anything is drawn.
"use strict";

const theme = {
  system: matchMedia("(prefers-color-scheme: dark)"),
  isDark() {
    const said = document.documentElement.dataset.theme;
    return said ? said === "dark" : this.system.matches;
  },
  set(name) {
    document.documentElement.dataset.theme = name;
    try { localStorage.setItem("gesta-theme", name); } catch { /* some browsers keep nothing for files */ }
    this.announce();
  },
  announce() {
    const button = document.getElementById("theme");
    button.textContent = this.isDark() ? "Light" : "Dark";
    document.dispatchEvent(new Event("theme"));
  },
};

try {
  const said = localStorage.getItem("gesta-theme");
  if (said === "light" || said === "dark") document.documentElement.dataset.theme = said;
} catch { /* as above */ }

theme.system.addEventListener("change", () => theme.announce());
document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme").addEventListener("click", () => theme.set(theme.isDark() ? "light" : "dark"));
  theme.announce();
});
