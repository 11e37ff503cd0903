// The place that the user asked for last, and the one that the page has drawn, so that at most one request is under way.
const states = new WeakMap();

const snapped = (positions, at) => positions.findLast((position) => position <= at) ?? positions[0];

// The last of the positions stands for "the newest", so that a run that goes on is followed.
const meant = (data, at) => (at >= data.positions.at(-1) ? null : snapped(data.positions, at));

function ask(state, at) {
  state.wanted = at;
  if (state.drawn !== state.asked || at === state.asked) return;
  state.asked = at;
  state.send("at", at);
}

function show(root, data, at) {
  const input = root.querySelector("input");
  const value = at ?? data.positions.at(-1);
  input.max = data.most;
  input.value = value;
  const words = `iteration ${value.toLocaleString("en")}`;
  root.querySelector("output").textContent = at === null && data.live ? `${words}, live` : words;
  input.setAttribute("aria-valuetext", `${words} of ${data.most.toLocaleString("en")}`);
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

function begun(root, parentElement) {
  const state = { asked: null, drawn: null, wanted: null };
  const input = root.querySelector("input");
  const move = (at) => {
    ask(state, meant(state.data, at));
    show(root, state.data, state.wanted);
  };
  input.addEventListener("input", () => move(Number(input.value)));
  input.addEventListener("keydown", (event) => {
    const next = stepped(event.key, state.data.positions, state.wanted);
    if (next === undefined) return;
    event.preventDefault();
    move(next);
  });
  states.set(parentElement, state);
  return state;
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".shared-slider");
  if (!root || !data) return;
  const known = states.get(parentElement);
  const state = known ?? begun(root, parentElement);
  [state.data] = data;
  state.send = setStateValue;
  state.drawn = state.data.at;
  if (!known) state.asked = state.wanted = state.drawn;
  ask(state, state.wanted);
  show(root, state.data, state.wanted);
  return () => states.delete(parentElement);
}
