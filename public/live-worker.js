// The live channel of a browser: one connection for all of its windows, because HTTP/1.1 gives a browser six connections to a
// server. A window asks for its part with the address that it would connect to alone, and is sent that part as Server-Sent
// Events; when the set of windows changes, or the connection is cut, a new one goes on where each of them was.

const GATHER_MS = 30; // A window that goes from one chat to another leaves, and comes back at once.
const [RETRY_MS, RETRY_AT_MOST_MS] = [200, 5000]; // After the first failure, doubled with each.
const SILENCE_MS = 40_000; // The server says something every 15 s.
const UNHEARD_MS = 35_000; // A window says every 10 s that it is there; one that crashed cannot say that it went.
const WINDOWS = 50; // More would make an address that servers refuse.

/** By their numbers. */
const windows = new Map();
let [count, failures, timer, connection, address] = [0, 0, null, null, ""];

addEventListener("connect", ({ ports: [port] }) => {
  let number = null;
  const leave = () => windows.delete(number) && connectIn(GATHER_MS);
  port.onmessage = ({ data }) => {
    const known = windows.get(number);
    if (known) known.heardMs = performance.now();
    if (data === "gone") leave();
    else if (data === "now") timer !== null && connectIn(0);
    else if (data === "here") port.postMessage(known ? "well" : "lost");
    else if (!known && windows.size >= WINDOWS) port.postMessage("full");
    else {
      windows.delete(number);
      number = ++count;
      const { pathname, searchParams: place } = new URL(data, location.href);
      address = pathname;
      windows.set(number, { port, place, heardMs: performance.now() });
      port.postMessage("well");
      connectIn(GATHER_MS);
    }
  };
});

function connectIn(ms) {
  clearTimeout(timer);
  timer = setTimeout(connect, ms);
}

async function connect() {
  timer = null;
  connection?.abort();
  connection = null;
  if (windows.size === 0) failures = 0;
  if (windows.size === 0) return;
  const mine = new AbortController();
  connection = mine;
  const { signal } = mine;
  let silence = null;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => mine.abort(), SILENCE_MS);
    return true;
  };
  try {
    heard();
    const pages = [...windows].map(([number, { place }]) => `page=${encodeURIComponent(`${place}&number=${number}`)}`);
    const headers = { Accept: "text/html, text/event-stream", "HX-Request": "true" };
    const answer = await fetch(`${address}?${pages.join("&")}`, { headers, signal });
    if (!answer.ok) throw await answer.text();
    failures = 0;
    for (const { port } of windows.values()) port.postMessage("online");
    await read(answer.body.pipeThrough(new TextDecoderStream()).getReader(), () => connection === mine && heard());
  } catch (said) {
    // A refusal is a fragment that says why.
    if (connection === mine && typeof said === "string") tellAll({ said });
  }
  clearTimeout(silence);
  if (connection !== mine) return;
  failures += 1;
  if (failures > 1) tellAll("offline");
  connectIn(Math.min(RETRY_MS * 2 ** (failures - 1), RETRY_AT_MOST_MS) * (0.7 + 0.6 * Math.random()));
}

function tellAll(message) {
  for (const { port } of windows.values()) port.postMessage(message);
}

/** Hands each message to the window that it is for, and notes where that one is. */
async function read(reader, isMine) {
  let [text, window] = ["", null];
  for (;;) {
    const { done, value } = await reader.read();
    if (done || !isMine()) return;
    text += value;
    const messages = text.split("\n\n");
    text = messages.pop();
    for (const message of messages) {
      const [, name, said] = /^(?:(page|facts|id): (.*))?/.exec(message);
      if (name === "page") window = windows.get(Number(said));
      else if (name === "facts") window?.place.set("facts", said);
      else {
        if (name === "id") window?.place.set("after", said);
        if (!message.startsWith(":")) window?.port.postMessage({ message });
      }
    }
  }
}

setInterval(() => {
  for (const [number, { port, heardMs }] of windows) {
    if (heardMs > performance.now() - UNHEARD_MS) continue;
    windows.delete(number);
    port.postMessage("lost");
    connectIn(GATHER_MS);
  }
}, UNHEARD_MS / 5);
