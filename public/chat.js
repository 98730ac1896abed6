// What HTML, CSS and htmx cannot do: keys, following the end of a reply, copying, and going on where the live channel was.
// Joined with htmx and hx-sse into one file, /static/page.js. Everything is delegated, because fragments come and go.
{
  // The page's policy allows markup to be made by htmx alone. It comes from this server, where everything is escaped.
  htmx.registerExtension("trusted-types", {
    init: (api) => {
      const asIs = (text) => text;
      if (window.trustedTypes)
        api.initSecurity(trustedTypes.createPolicy("htmx", { createHTML: asIs, createScript: asIs }));
    },
  });

  const byId = (id) => document.getElementById(id);
  const hasKeyboard = matchMedia("(pointer: fine)").matches;

  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "text" || event.key !== "Enter" || event.shiftKey || event.isComposing || !hasKeyboard)
      return;
    event.preventDefault();
    // Without a submitter, so that Enter never means Stop.
    event.target.form.requestSubmit();
  });

  // The text goes when it was taken, and stays when the send was refused or something was typed meanwhile.
  let sent = "";
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (ctx.sourceElement.id === "composer") sent = byId("text").value;
  });
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
    if (ctx.sourceElement.id !== "composer" || !ctx.response.raw.ok) return;
    const text = byId("text");
    if (text.value === sent) text.value = "";
    grow();
    isAtEnd = true;
  });

  // Only the page can say that the server is away, and it takes that back when the server answers.
  const sayOffline = () => {
    const status = byId("status");
    if (status) Object.assign(status, { textContent: status.dataset.offline, className: "status error offline" });
  };
  const unsayOffline = () => {
    const status = document.querySelector("#status.offline");
    if (status) Object.assign(status, { textContent: "", className: "status info" });
  };
  document.addEventListener("htmx:error", ({ detail: { ctx } }) => ctx && sayOffline());
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => ctx.response?.raw && unsayOffline());
  document.addEventListener("htmx:sse:after:connection", unsayOffline);
  addEventListener("online", unsayOffline);

  function grow() {
    if (CSS.supports("field-sizing", "content")) return;
    const text = byId("text");
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  }
  document.addEventListener("input", (event) => event.target.id === "text" && grow());

  // A reader who is within 60 px of the end stays at the end; one who scrolled up is left alone.
  let isAtEnd = true;
  let followed = null;
  const toEnd = () => {
    const scroll = byId("scroll");
    if (scroll && isAtEnd) scroll.scrollTop = scroll.scrollHeight;
  };
  const observer = new ResizeObserver(toEnd);
  function follow() {
    const messages = byId("messages");
    if (!messages || messages === followed) return;
    observer.disconnect();
    observer.observe(messages);
    observer.observe(byId("scroll"));
    followed = messages;
    isAtEnd = !location.hash;
    toEnd();
  }
  document.addEventListener("htmx:after:swap", follow);

  // A moment comes in UTC, and is shown in the person's zone and way. One that a swap brings has no title yet.
  const moments = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });
  function showMoments() {
    for (const time of document.querySelectorAll("time:not([title])")) {
      time.title = time.textContent;
      time.textContent = moments.format(new Date(time.dateTime));
    }
  }
  document.addEventListener("htmx:after:swap", showMoments);
  showMoments();
  document.addEventListener(
    "scroll",
    ({ target }) => {
      if (target.id === "scroll") isAtEnd = target.scrollHeight - target.scrollTop - target.clientHeight < 60;
    },
    true,
  );
  follow();

  document.addEventListener("click", async ({ target }) => {
    const button = target.closest(".copy");
    if (!button) return;
    const source =
      button.closest("figure")?.querySelector("code") ?? button.closest(".message").querySelector(".parts");
    // biome-ignore lint/performance/useDomNodeTextContent: as it is laid out, with its line breaks.
    await navigator.clipboard.writeText(source.innerText);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
  });

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
