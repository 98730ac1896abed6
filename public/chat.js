// What HTML, CSS and htmx cannot do: keys, drafts, following the end of a reply, and going on where the live channel
// was. Joined with htmx, hx-sse and copy.js into one file, /static/page.js. Everything is delegated, because fragments come and go.
{
  // The page's policy allows markup to be made by htmx alone. It comes from this server, where everything is escaped.
  const policy = window.trustedTypes?.createPolicy("htmx", {
    createHTML: String,
    createScript: String,
    createScriptURL: String,
  });
  htmx.registerExtension("trusted-types", { init: (api) => policy && api.initSecurity(policy) });

  const root = new URL("..", document.currentScript.src).pathname; // Of the server, which may be below a path of its host.
  const byId = (id) => document.getElementById(id);
  const on = (types, act) => types.split(" ").map((type) => addEventListener(type, act, true)); // Not all bubble.
  const hasKeys = matchMedia("(pointer: fine)").matches;
  // A browser may refuse to keep anything, or have no more room.
  const kept = (method, ...given) => {
    try {
      return window.localStorage[method](...given);
    } catch {
      return null;
    }
  };

  on("keydown", (event) => {
    const { target, key, shiftKey, isComposing } = event;
    if (key === "Escape") target.closest(".edit")?.querySelector("a").click();
    if (key === "?" && !target.closest("input, textarea, select")) byId("keys")?.togglePopover();
    // Arrows go from chat to chat, and from the search into what it found.
    const stops = [...document.querySelectorAll("#search input, #threads a.open")];
    const next = stops.includes(target) && stops[stops.indexOf(target) + { ArrowDown: 1, ArrowUp: -1 }[key]];
    // Safari ends a composition before the Enter that ended it, and tells by the code alone.
    const isWriting = isComposing || event.keyCode === 229;
    const isSend = hasKeys && key === "Enter" && !shiftKey && !isWriting && target.matches("#text, .edit textarea");
    if (next || isSend) event.preventDefault();
    if (next) next.focus();
    if (isSend) target.form.requestSubmit(); // Without a submitter, so that Enter never means Stop.
  });

  // What is typed is kept per person and chat until the server has it; who signs out forgets it.
  const person = document.querySelector(".account span")?.textContent;
  const draftKey = ({ form }) => `draft ${person} ${form.getAttribute("action")}`;
  on("input", ({ target: it }) => it.id === "text" && kept("setItem", draftKey(it), it.value));
  on("submit", ({ target }) => {
    // One that htmx does not send leaves the page, and comes back with the text if it is refused.
    if (target.matches("#composer:not([hx-post])")) kept("removeItem", draftKey(target.elements.text));
    // Other programs of the host keep something there as well.
    const drafts = Object.keys(kept("valueOf") ?? {}).filter((key) => key.startsWith("draft "));
    if (target.matches(".account")) for (const key of drafts) kept("removeItem", key);
  });

  // The text goes when it was taken, and stays when the send was refused or something was typed meanwhile.
  on("htmx:after:request", ({ detail: { ctx } }) => {
    const { sourceElement: form, request, response } = ctx;
    // What was wrong is over when the next thing that is done succeeds.
    if (response?.raw) unsay(response.raw.ok && request.method === "POST" ? ".error, .busy" : ".offline");
    if (form.id === "title" && !response?.raw?.ok) form.reset();
    if (form.id !== "composer" || !response.raw.ok) return;
    const text = form.elements.content;
    kept("removeItem", draftKey(text));
    if (text.value === request.body.get("content")) text.value = "";
    for (const chip of request.body.getAll("files"))
      document.querySelector(`#chips [value="${chip}"]`)?.parentElement.remove();
    showFiles();
    isAtEnd = true;
    toEnd();
  });

  // A file goes to the server as soon as it is attached, one after the other, and stands above the message as a chip, whose id is sent.
  let [uploads, uploading, waitsToSend] = [0, Promise.resolve(), null];
  const attach = (files, pasted = "") => {
    for (const file of files) {
      uploads++;
      uploading = uploading
        .then(() =>
          htmx.ajax("POST", `${root}files`, {
            source: "#attach",
            target: "#chips",
            swap: "beforeend",
            values: { file, pasted },
          }),
        )
        .catch(sayOffline)
        .then(() => {
          uploads--;
          showFiles();
          if (uploads === 0) waitsToSend?.requestSubmit();
          if (uploads === 0) waitsToSend = null;
        });
    }
    showFiles();
  };
  const showFiles = () => {
    byId("composer")?.classList.toggle("uploading", uploads > 0);
    if (byId("text")) byId("text").required = !byId("chips").childElementCount;
  };
  const putBack = async (button) => {
    const answer = await fetch(button.dataset.from);
    if (!answer.ok) return sayOffline();
    byId("text").setRangeText(await answer.text(), text.selectionStart, text.selectionEnd, "end");
    byId("text").dispatchEvent(new Event("input", { bubbles: true }));
    button.closest(".chip").querySelector(".detach").click();
  };
  const asFile = (text) => attach([new File([text], "pasted.txt", { type: "text/plain" })], "yes");
  on("change", ({ target }) => {
    if (target.id !== "files") return;
    attach([...target.files]);
    target.value = "";
  });
  on("paste", (event) => {
    const { files } = event.clipboardData;
    const pasted = event.clipboardData.getData("text/plain");
    const most = Number(event.target.dataset?.paste);
    if (event.target.id !== "text") return;
    // Office programs put a picture beside the text that they copy: the text is meant.
    if (pasted === "" && files.length > 0) attach([...files]);
    else if (most > 0 && pasted.length > most) asFile(pasted);
    else return;
    event.preventDefault();
  });
  // Dropped beside the message box, a file would take the place of the page.
  on("dragover drop dragleave", (event) => {
    const isFile = event.dataTransfer?.types.includes("Files") && byId("composer");
    if (isFile && event.type !== "dragleave") event.preventDefault();
    if (isFile && event.type === "drop") attach([...event.dataTransfer.files]);
    byId("composer")?.classList.toggle("dropping", Boolean(isFile) && event.type === "dragover");
  });
  on("submit", (event) => {
    const form = event.target;
    if (form.id !== "composer" || event.submitter?.matches(".stop")) return;
    const text = form.elements.content;
    const isLong = text.value.length > Number(text.dataset.most);
    if (isLong) {
      asFile(text.value);
      text.value = "";
      say(byId("status"), text.dataset.tooLong, "info");
    } else if (uploads > 0) waitsToSend = form;
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  });

  // Only the page can say that the server is away, and it takes that back when the server answers.
  const say = (it, textContent, kind) => it && Object.assign(it, { textContent, className: `status ${kind}` });
  const sayOffline = () => say(byId("status"), byId("status")?.dataset.offline, "error offline");
  const unsay = (kinds) => say(document.querySelector(`#status:is(${kinds})`), "", "info");
  on("htmx:error htmx:sse:error", ({ detail: it }) => (it.ctx || it.connection?.attempt > 1) && sayOffline());
  on("htmx:sse:after:connection online", () => unsay(".offline"));

  // A reader within 60 px of the end stays there; one who scrolled up is left alone, also by earlier messages coming in above.
  // What moves while the height changes was not moved by the reader: messages are as high as they are only once they are seen.
  let [isAtEnd, lastTop, lastHeight] = [true, 0, 0];
  const toGo = ({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight;
  const toEnd = () => {
    const scroll = byId("scroll");
    if (scroll && isAtEnd) scroll.scrollTop = scroll.scrollHeight;
    scroll?.classList.toggle("behind", toGo(scroll) > 60);
    ({ scrollTop: lastTop, scrollHeight: lastHeight } = scroll ?? {});
  };
  const observer = new ResizeObserver(toEnd);
  on("scroll", ({ target }) => {
    if (target.id !== "scroll") return;
    const isUp = target.scrollTop < lastTop && target.scrollHeight === lastHeight;
    isAtEnd = isUp ? toGo(target) < 2 : isAtEnd || toGo(target) < 60;
    ({ scrollTop: lastTop, scrollHeight: lastHeight } = target);
    target.classList.toggle("behind", !isAtEnd);
  });
  on("htmx:before:swap", ({ target }) => {
    const [scroll, left] = target.matches(".earlier") ? [byId("scroll"), toGo(byId("scroll"))] : [];
    if (scroll) requestAnimationFrame(() => scroll.scrollBy(0, toGo(scroll) - left));
  });

  // A moment comes in UTC, and is shown in the person's zone and way. One that a swap brings has no title yet.
  const moments = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });
  let [messages, text, focused] = [];
  on("focusin", ({ target }) => {
    focused = target;
    target.removeAttribute("autofocus"); // Else htmx would focus it again whenever what is around it is swapped.
  });
  function arrive() {
    showFiles();
    for (const time of document.querySelectorAll("time:not([title])"))
      Object.assign(time, { title: time.textContent, textContent: moments.format(new Date(time.dateTime)) });
    if (messages !== byId("messages")) {
      messages = byId("messages");
      for (const element of [messages, byId("scroll")]) observer.observe(element);
      isAtEnd = !location.hash;
      toEnd();
    }
    if (text !== byId("text")) {
      const typed = text?.value; // While the page of a new chat became that of its thread.
      text = byId("text");
      text.value ||= typed ?? kept("getItem", draftKey(text));
    }
    // What had the focus was swapped away: people who use a keyboard go on from the same chat of the list, or the message box.
    const chat = focused?.closest(".thread, .thread-form")?.id.replace(/^[^-]+/, "");
    if (focused && !focused.isConnected && hasKeys)
      (document.querySelector(`#threads [id$="${chat}"] a`) ?? text).focus({ preventScroll: true });
  }
  on("htmx:after:swap", arrive);
  if (byId("text")) arrive();

  on("click", (event) => {
    const link = event.target.closest("a.picture");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { src, alt } = { src: link.href, alt: link.querySelector("img").alt };
    Object.assign(byId("viewer").querySelector("img"), { src, alt });
    byId("viewer").showModal();
  });

  on("click", async ({ target }) => {
    if (target.id === "viewer") target.close(); // Beside the picture.
    // Whoever opens something wants to see it, and not the end that it moves away.
    if (target.closest(".version, .jump, .messages summary")) isAtEnd = target.closest(".jump") !== null;
    if (target.closest(".jump")) toEnd();
    // The list that was on its way is given up for the form, and comes with it a moment later.
    if (target.closest("#threads .change")) setTimeout(() => htmx.trigger(document.body, "threads-changed"));
    if (target.closest(".as-text")) await putBack(target.closest(".as-text"));
  });

  // All windows of a person hear of a change in the same moment. The one that they look at fetches its list at once, the others spread
  // out; and none while its next page is on the way, or it would come back without that, nor while a form in it is fetched or sent, or the
  // form would go, or come back.
  const SPREAD_MS = 500;
  on("threads-reload threads-changed threads-active", (event) => {
    const isBusy = document.querySelector(
      "#list-end.htmx-request, #threads .change.htmx-request, #threads form:is(.htmx-request, :has(.htmx-request))",
    );
    if (!isBusy && (event.detail?.isDue || document.hasFocus())) return;
    event.stopImmediatePropagation();
    setTimeout(() => htmx.trigger(document.body, event.type, { isDue: true }), Math.random() * SPREAD_MS);
  });

  // The server groups chats by the person's days, and has no other way to know their zone. htmx starts after this script.
  const zone = `zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
  if (!document.cookie.split("; ").includes(zone)) setTimeout(() => htmx.trigger(document.body, "threads-reload"));
  Object.assign(document, { cookie: `${zone}; path=${root}; max-age=31536000; samesite=lax` });

  // A page in the background holds no connection; a new one goes on after the last message seen. The windows of a browser share
  // one by a worker (a browser has six in all). A page has its own where there is no such worker, or none that answers.
  const PATIENCE_MS = 3000;
  const HERE_MS = 10_000;
  let [worker, taker] = [null, null];
  const share = (address) => {
    const url = byId("live").dataset.worker;
    if (worker === null && window.SharedWorker && url) {
      try {
        worker = new SharedWorker(policy?.createScriptURL(url) ?? url).port;
      } catch {
        worker = false; // Some browsers refuse it to pages in private windows.
      }
    }
    return worker && new Response(sharedStream(worker, address), { headers: { "Content-Type": "text/event-stream" } });
  };
  const sharedStream = (port, address) => {
    const encoder = new TextEncoder();
    let [patience, here, out] = [];
    const alone = () => {
      worker = false;
      end();
    };
    const ask = (what) => {
      clearTimeout(patience);
      patience = setTimeout(alone, PATIENCE_MS);
      port.postMessage(what);
    };
    const stop = () => {
      clearTimeout(patience);
      clearInterval(here);
      removeEventListener("pagehide", end);
      if (taker !== out) return; // The page asks for another chat already.
      taker = null;
      port.postMessage("gone");
    };
    const end = () => {
      stop();
      out.close();
    };
    return new ReadableStream({
      start(controller) {
        taker = out = controller;
        port.onmessage = ({ data }) => {
          clearTimeout(patience);
          if (taker !== out) return;
          if (data === "lost") end();
          else if (data === "full") alone();
          else if (data === "offline") sayOffline();
          else if (data === "online") unsay(".offline");
          else if (data.message) out.enqueue(encoder.encode(`${data.message}\n\n`));
          else if (data.said) htmx.swap({ sourceElement: byId("live"), text: data.said, swap: "none" });
        };
        here = setInterval(() => ask("here"), HERE_MS);
        addEventListener("pagehide", end);
        ask(address);
      },
      cancel: stop,
    });
  };
  on("online", () => worker?.postMessage?.("now"));
  on("htmx:sse:after:message", ({ target: it, detail: { message } }) => (it.at = message.id || it.at));
  on("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    const { sourceElement: it, request } = ctx;
    if (it.id !== "live") return;
    if (document.hidden) return event.preventDefault();
    if (it.at) request.headers["Last-Event-ID"] = it.at;
    const place = new URL(request.action, location.href);
    if (it.at) place.searchParams.set("after", it.at);
    const shared = it.isSignedOut ? null : share(place.href);
    it.isShared = Boolean(shared);
    if (shared) ctx.fetch = async () => shared;
  });
  // The extension would connect again by itself, and not to the worker.
  on("htmx:sse:before:connection", (event) => {
    const { target: it, detail } = event;
    if (detail.connection.attempt === 0 || !it.isShared) return;
    event.preventDefault();
    it.isLeft = true;
  });
  on("htmx:sse:close", ({ target: it, detail: { reason } }) => {
    it.isSignedOut = reason === "message"; // Who tries again every 10 s is to disturb no other window.
    if (it.isLeft) setTimeout(() => htmx.trigger(it, "again"));
    it.isLeft = false;
  });
}
