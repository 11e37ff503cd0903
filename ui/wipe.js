const watched = new WeakSet();

function show(root, [left, right]) {
  for (const [side, picture] of [["left", left], ["right", right]]) {
    const image = root.querySelector(`img.${side}`);
    if (image.src !== picture.uri) image.src = picture.uri;
    image.alt = picture.alt;
    root.querySelector(`span.${side}`).textContent = picture.name;
  }
  told(root);
}

function told(root) {
  const input = root.querySelector("input");
  const share = Math.round(Number(input.value));
  root.style.setProperty("--at", `${share}%`);
  const [left, right] = ["left", "right"].map((side) => root.querySelector(`span.${side}`).textContent);
  input.setAttribute("aria-valuetext", `${share} % ${left}, ${100 - share} % ${right}`);
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".wipe");
  if (!root || !data) return;
  if (!watched.has(root)) {
    watched.add(root);
    root.querySelector("input").addEventListener("input", () => told(root));
  }
  show(root, data);
}
