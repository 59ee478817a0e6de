// All visible text whose contrast with its ground is below 4.5.
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const rgb = (colour, under) => {
  canvas.fillStyle = `rgb(${under.join(',')})`; canvas.fillRect(0, 0, 1, 1);
  canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const light = (c) => {
  const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (e) => {
  const around = [];
  for (let at = e; at; at = at.parentElement) around.unshift(getComputedStyle(at).backgroundColor);
  return around.reduce((under, colour) => rgb(colour, under), [255, 255, 255]);
};
const bad = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const e = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest('script, .skip')) continue;
  const under = ground(e), style = getComputedStyle(e);
  const over = rgb(e.closest('svg') ? style.fill : style.color, under);
  const [a, b] = [light(over), light(under)].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  const kind = e.className.baseVal ?? e.className, words = walker.currentNode.data.trim().slice(0, 30);
  if (ratio < 4.5) bad.push(`${e.tagName}.${kind} ${ratio.toFixed(2)} ${words}`);
}
return [...new Set(bad)];
