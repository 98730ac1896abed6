// What HTML, CSS and htmx cannot do: keys, drafts, following the end of a reply, copying, and going on where the live channel
// was. Joined with htmx and hx-sse into one file, /static/page.js. Everything is delegated, because fragments come and go.
{
  // The page's policy allows markup to be made by htmx alone. It comes from this server, where everything is escaped.
  const policy = window.trustedTypes?.createPolicy("htmx", { createHTML: String, createScript: String });
  htmx.registerExtension("trusted-types", { init: (api) => policy && api.initSecurity(policy) });

  const byId = (id) => document.getElementById(id);
  const hasKeyboard = matchMedia("(pointer: fine)").matches;

  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (key === "Escape") target.closest(".edit")?.querySelector("a").click();
    if (key === "?" && !target.closest("input, textarea, select")) byId("keys")?.togglePopover();
    const isText = target.matches("#text, .edit textarea");
    if (!isText || key !== "Enter" || event.shiftKey || event.isComposing || !hasKeyboard) return;
    event.preventDefault();
    // Without a submitter, so that Enter never means Stop.
    target.form.requestSubmit();
  });

  // What is typed is kept per person and chat until the server has it; who signs out forgets it.
  const draftKey = ({ form }) =>
    `draft ${document.querySelector(".account")?.textContent} ${form.getAttribute("action")}`;
  const keepDraft = (text) => localStorage.setItem(draftKey(text), text.value);
  document.addEventListener("input", ({ target }) => target.id === "text" && keepDraft(target));
  document.addEventListener("submit", ({ target }) => {
    // One that htmx does not send leaves the page, and comes back with the text if it is refused.
    if (target.id === "composer" && !target.hasAttribute("hx-post"))
      localStorage.removeItem(draftKey(target.elements.text));
    if (!target.matches(".account")) return;
    for (const key of Object.keys(localStorage)) if (key.startsWith("draft ")) localStorage.removeItem(key);
  });

  // The text goes when it was taken, and stays when the send was refused or something was typed meanwhile.
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
    const { sourceElement: form, request, response } = ctx;
    if (form.id === "title" && !response?.raw?.ok) form.reset();
    if (form.id !== "composer" || !response.raw.ok) return;
    const { content: text, files } = form.elements;
    localStorage.removeItem(draftKey(text));
    if (text.value === request.body.get("content")) text.value = files.value = "";
    isAtEnd = true;
  });

  // Files that are pasted or dropped join those that were chosen.
  const attach = (event, { files } = {}) => {
    const input = event.target.closest?.(".composer")?.elements.files;
    if (!input || !files?.length) return;
    event.preventDefault();
    const all = new DataTransfer();
    for (const file of [...input.files, ...files]) all.items.add(file);
    input.files = all.files;
    showFiles();
  };
  const showFiles = () => byId("files")?.classList.toggle("some", byId("files").value !== "");
  document.addEventListener("change", showFiles);
  document.addEventListener("paste", (event) => attach(event, event.clipboardData));
  document.addEventListener("drop", (event) => attach(event, event.dataTransfer));

  // Only the page can say that the server is away, and it takes that back when the server answers.
  const say = (status, text, kind) =>
    status && Object.assign(status, { textContent: text, className: `status ${kind}` });
  const sayOffline = () => say(byId("status"), byId("status")?.dataset.offline, "error offline");
  const unsayOffline = () => say(document.querySelector("#status.offline"), "", "info");
  document.addEventListener("htmx:error", ({ detail: { ctx } }) => ctx && sayOffline());
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => ctx.response?.raw && unsayOffline());
  document.addEventListener("htmx:sse:after:connection", unsayOffline);
  addEventListener("online", unsayOffline);

  // A reader within 60 px of the end stays there; one who scrolled up is left alone, also by earlier messages coming in above.
  let [isAtEnd, lastTop] = [true, 0];
  const toGo = ({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight;
  const toEnd = () => {
    const scroll = byId("scroll");
    if (scroll && isAtEnd) scroll.scrollTop = scroll.scrollHeight;
    scroll?.classList.toggle("behind", toGo(scroll) > 60);
  };
  const observer = new ResizeObserver(toEnd);
  const watchEnd = ({ target }) => {
    if (target.id !== "scroll") return;
    isAtEnd = toGo(target) < (target.scrollTop < lastTop ? 2 : 60);
    lastTop = target.scrollTop;
    target.classList.toggle("behind", !isAtEnd);
  };
  document.addEventListener("scroll", watchEnd, true);
  document.addEventListener("htmx:before:swap", ({ target }) => {
    const [scroll, left] = target.matches(".earlier") ? [byId("scroll"), toGo(byId("scroll"))] : [];
    if (scroll) requestAnimationFrame(() => scroll.scrollBy(0, toGo(scroll) - left));
  });

  // A moment comes in UTC, and is shown in the person's zone and way. One that a swap brings has no title yet.
  const moments = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });
  let [messages, text, focused] = [];
  document.addEventListener("focusin", ({ target }) => {
    focused = target;
  });
  function arrive() {
    showFiles();
    for (const time of document.querySelectorAll("time:not([title])")) {
      time.title = time.textContent;
      time.textContent = moments.format(new Date(time.dateTime));
    }
    if (messages !== byId("messages")) {
      messages = byId("messages");
      observer.disconnect();
      for (const element of [messages, byId("scroll")]) observer.observe(element);
      isAtEnd = !location.hash;
      toEnd();
    }
    if (text !== byId("text")) {
      const before = text;
      text = byId("text");
      // Typed on while the page of a new chat became that of its thread, or left here before.
      text.value ||= before ? before.value : localStorage.getItem(draftKey(text));
      if (text.value) keepDraft(text);
    }
    // The element with the focus was swapped away: people who use a keyboard go on from the message box.
    if (focused && !focused.isConnected && hasKeyboard) text.focus({ preventScroll: true });
  }
  document.addEventListener("htmx:after:swap", arrive);
  if (byId("text")) arrive();

  document.addEventListener("click", async ({ target }) => {
    if (target.closest(".version, .jump")) isAtEnd = target.closest(".jump") !== null;
    toEnd();
    if (target.closest(".detach")) byId("files").value = "";
    showFiles();
    const button = target.closest(".copy");
    if (!button) return;
    const source =
      button.closest("figure")?.querySelector("code") ?? button.closest(".message").querySelector(".parts, .bubble");
    // biome-ignore lint/performance/useDomNodeTextContent: as it is laid out, with its line breaks.
    await navigator.clipboard.writeText(source.innerText);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
  });

  // Arrows go from chat to chat, and from the search into what it found.
  document.addEventListener("keydown", (event) => {
    const stops = [...document.querySelectorAll("#search input, #threads a.open")];
    const at = stops.indexOf(event.target);
    const next = at < 0 ? undefined : stops[at + { ArrowDown: 1, ArrowUp: -1 }[event.key]];
    next?.focus();
    if (next) event.preventDefault();
  });
  // The server groups chats by the person's days, and has no other way to know their zone. htmx starts after this script.
  const zone = `zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
  if (!document.cookie.split("; ").includes(zone)) setTimeout(() => htmx.trigger(document.body, "threads-reload"));
  Object.assign(document, { cookie: `${zone}; path=/; max-age=31536000; samesite=lax` });

  // A page in the background holds no connection (a browser has six); a new one goes on after the last message seen.
  document.addEventListener("htmx:sse:after:message", ({ target, detail }) => {
    if (detail.message.id) target.lastEventId = detail.message.id;
  });
  document.addEventListener("htmx:config:request", (event) => {
    const { sourceElement, request } = event.detail.ctx;
    if (sourceElement.id !== "live") return;
    if (document.hidden) event.preventDefault();
    if (sourceElement.lastEventId) request.headers["Last-Event-ID"] = sourceElement.lastEventId;
  });
}
