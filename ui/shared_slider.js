// The place that the user asked for last, and the one that the page has drawn, so that at most one request is under way.
const states = new WeakMap();

// Milliseconds between two moments while it plays: pictures that change more than twice a second flicker for some.
const EVERY = 500;
// Moments that are played at most, so that a long run takes no longer than twenty seconds.
const MOMENTS = 40;

const snapped = (positions, at) => positions.findLast((position) => position <= at) ?? positions[0];

// The last of the positions stands for "the newest", so that a run that goes on is followed.
const meant = (data, at) => (at >= data.positions.at(-1) ? null : snapped(data.positions, at));

function ask(state, at) {
  state.wanted = at;
  if (state.drawn !== state.asked || at === state.asked) return;
  state.asked = at;
  state.send("at", at);
}

function show(state, at) {
  const { root, data } = state;
  const input = root.querySelector("input");
  const value = at ?? data.positions.at(-1);
  root.querySelector(".what").textContent = data.label;
  input.setAttribute("aria-label", data.label || "Iteration");
  input.max = data.most;
  input.value = value;
  const words = `iteration ${value.toLocaleString("en")}`;
  root.querySelector("output").textContent = at === null && data.live ? `${words}, live` : words;
  input.setAttribute("aria-valuetext", `${words} of ${data.most.toLocaleString("en")}`);
  const button = root.querySelector(".play");
  const verb = state.timer ? "Pause" : "Play";
  button.hidden = !data.plays;
  button.firstElementChild.textContent = state.timer ? "❚❚" : "▶";
  button.setAttribute("aria-label", verb);
  button.title = data.shortcut ? `${verb} (${data.shortcut.toUpperCase()})` : verb;
}

function move(state, at) {
  ask(state, meant(state.data, at));
  show(state, state.wanted);
}

// Where an arrow leads: to the next kept moment, not to the next iteration, of which most look like the one before.
function stepped(key, positions, now) {
  const place = positions.lastIndexOf(snapped(positions, now ?? Infinity));
  const far = Math.max(1, Math.round(positions.length / 10));
  const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: far, PageDown: -far };
  if (key === "Home") return positions[0];
  if (key === "End") return positions.at(-1);
  if (!(key in steps)) return undefined;
  return positions[Math.min(positions.length - 1, Math.max(0, place + steps[key]))];
}

function pause(state) {
  clearInterval(state.timer);
  state.timer = null;
}

// One moment further; a page that has not drawn the last one yet is waited for.
function advance(state) {
  if (state.drawn !== state.asked) return;
  const { positions } = state.data;
  const place = positions.lastIndexOf(snapped(positions, state.wanted ?? Infinity));
  const next = Math.min(positions.length - 1, place + Math.ceil(positions.length / MOMENTS));
  if (next === positions.length - 1) pause(state);
  move(state, positions[next]);
}

function play(state) {
  const { positions } = state.data;
  if (state.wanted === null || state.wanted >= positions.at(-1)) move(state, positions[0]);
  state.timer = setInterval(() => advance(state), EVERY);
  show(state, state.wanted);
}

function toggle(state) {
  if (!state.data.plays) return;
  if (!state.timer) return play(state);
  pause(state);
  show(state, state.wanted);
}

function shortcut(state, event) {
  const writing = event.composedPath()[0].matches?.("input:not([type=range]), textarea, [contenteditable]");
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (writing || modified || event.key.toLowerCase() !== state.data.shortcut) return;
  event.preventDefault();
  toggle(state);
}

function listen(state) {
  const input = state.root.querySelector("input");
  input.addEventListener("input", () => {
    pause(state);
    move(state, Number(input.value));
  });
  input.addEventListener("keydown", (event) => {
    const next = stepped(event.key, state.data.positions, state.wanted);
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    pause(state);
    move(state, next);
  });
  state.root.querySelector(".play").addEventListener("click", () => toggle(state));
  state.heard = (event) => shortcut(state, event);
  document.addEventListener("keydown", state.heard);
}

function begun(root, data, parentElement) {
  const state = { root, data, asked: data.at, drawn: data.at, wanted: data.at, timer: null };
  listen(state);
  states.set(parentElement, state);
  return state;
}

// Who asked for less motion is shown the end at once.
function begin(state) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) ask(state, state.data.positions.at(-1));
  else play(state);
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".shared-slider");
  if (!root || !data) return;
  const known = states.get(parentElement);
  const state = known ?? begun(root, data[0], parentElement);
  [state.data] = data;
  state.send = setStateValue;
  state.drawn = state.data.at;
  if (!known && state.data.begins) begin(state);
  if (known) ask(state, state.wanted);
  show(state, state.wanted);
  return () => {
    pause(state);
    document.removeEventListener("keydown", state.heard);
    states.delete(parentElement);
  };
}
