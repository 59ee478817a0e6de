"use strict";
// Dark or light: the reader's word, else the system's. Storage may be refused to a file that lies on a disk.
const root = document.documentElement;
const kept = {
  get() { try { return localStorage.getItem("tfuda-theme"); } catch { return null; } },
  set(value) { try { localStorage.setItem("tfuda-theme", value); } catch { /* it lasts as long as the page */ } },
};
if (kept.get() === "dark" || kept.get() === "light") root.dataset.theme = kept.get();

function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => { button.textContent = dark() ? "Light colours" : "Dark colours"; };
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    kept.set(root.dataset.theme);
    label();
  });
  system.addEventListener("change", label);
  label();
  button.hidden = false;
});
