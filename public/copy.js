// Copies a message as its Markdown and as it is rendered, code, and formulas as TeX; wraps and downloads code. By the event `copy`:
// over plain HTTP, as most people reach a server of their own, there is no other clipboard.
{
  const on = (types, act) => types.split(" ").map((type) => addEventListener(type, act, true));

  /** Whether the browser took both forms, what is to be pasted as text and as markup. It copies only where something is selected. */
  const put = (near, text, markup) => {
    const selection = getSelection();
    const ranges = Array.from({ length: selection.rangeCount }, (_, index) => selection.getRangeAt(index));
    const give = (event) => {
      event.preventDefault();
      event.stopImmediatePropagation();
      event.clipboardData.setData("text/plain", text);
      if (markup) event.clipboardData.setData("text/html", markup);
    };
    selection.selectAllChildren(near);
    addEventListener("copy", give, true);
    const isDone = document.execCommand("copy");
    removeEventListener("copy", give, true);
    selection.removeAllRanges();
    for (const range of ranges) selection.addRange(range);
    return isDone;
  };

  /** What other programs can make use of: no buttons, and nothing that only our style and script know. */
  const cleaned = (content) => {
    for (const it of content.querySelectorAll("figcaption, annotation")) it.remove();
    for (const it of content.querySelectorAll("span")) it.replaceWith(...it.childNodes);
    for (const it of content.querySelectorAll("*"))
      for (const name of ["class", "id", "tabindex", "aria-live"]) it.removeAttribute(name);
    const holder = document.createElement("div");
    holder.append(content);
    return holder.innerHTML;
  };
  const rendered = (elements) => {
    const content = new DocumentFragment();
    content.append(...elements.map((element) => element.cloneNode(true)));
    return cleaned(content);
  };

  // The Markdown of a message is with the server. It is asked for when somebody is about to copy, because a browser lets a page
  // copy only while a click is fresh; of a reply that is being written it grows old soon.
  const FRESH_MS = 1000;
  const sources = new WeakMap();
  const prepare = (button) => {
    const known = sources.get(button);
    if (known && performance.now() - known.atMs < FRESH_MS) return known;
    const source = { atMs: performance.now(), text: null };
    source.ready = fetch(button.dataset.source)
      .then((answer) => (answer.ok ? answer.text() : null))
      .then(
        (text) => Object.assign(source, { text }),
        () => {}, // Away: it is copied as it reads.
      );
    sources.set(button, source);
    return source;
  };
  on("pointerover focusin pointerdown", ({ target }) => {
    const button = target.closest?.("button[data-source]");
    if (button) prepare(button);
  });

  const tell = (button, isDone) => {
    button.classList.toggle("copied", isDone);
    if (isDone) setTimeout(() => button.classList.remove("copied"), 1500);
  };
  const copyMessage = async (button) => {
    const message = button.closest(".message");
    const shown = [...message.querySelectorAll(".part.text, .bubble")];
    const source = prepare(button);
    if (source.text === null) await source.ready;
    // biome-ignore lint/performance/useDomNodeTextContent: it is to be copied as it is laid out.
    const text = source.text ?? shown.map((part) => part.innerText).join("\n\n");
    tell(button, put(message, text, message.matches(".reply") && rendered(shown)));
  };
  const copyFormula = (math) => {
    const status = document.getElementById("status");
    const tex = math.querySelector("annotation").textContent;
    if (!put(math.parentElement, tex) || !status) return;
    Object.assign(status, { textContent: status.dataset.copied, className: "status info" });
    setTimeout(() => status.textContent === status.dataset.copied && status.replaceChildren(), 2000);
  };
  const download = ({ dataset }, text) => {
    const href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    Object.assign(document.createElement("a"), { href, download: dataset.name }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  };

  on("click", ({ target }) => {
    const button = target.closest("figure.code button, .message-foot .copy");
    const figure = button?.closest("figure");
    const code = figure?.querySelector("code").textContent;
    if (button?.matches(".wrap")) button.ariaPressed = figure.classList.toggle("wrapped");
    else if (button?.matches(".download")) download(button, code);
    else if (figure) tell(button, put(figure, code.replace(/\n$/, ""), rendered([figure.querySelector("pre")])));
    else if (button) copyMessage(button);
    // While something is selected, a click is about the selection.
    const math = getSelection().isCollapsed && target.closest(".text math, .inside math");
    if (math && !target.closest("a")) copyFormula(math);
  });
  on("keydown", ({ target, key }) => {
    if (key === "Enter" && target.matches("div.formula")) copyFormula(target.querySelector("math"));
  });

  // What is selected by hand is copied with its formulas as TeX, for text as for programs that know no formulas.
  on("copy", (event) => {
    const selection = getSelection();
    if (selection.isCollapsed || event.target.closest?.("input, textarea")) return;
    const picked = selection.getRangeAt(0).cloneContents();
    const formulas = picked.querySelectorAll("math");
    if (formulas.length === 0) return;
    const markup = cleaned(picked.cloneNode(true));
    for (const math of formulas) {
      const mark = math.getAttribute("display") === "block" ? "$$" : "$";
      const tex = math.querySelector("annotation");
      if (tex) math.replaceWith(`${mark}${tex.textContent}${mark}`);
    }
    const holder = Object.assign(document.createElement("div"), { className: "as-copied" });
    holder.append(picked);
    document.body.append(holder);
    // biome-ignore lint/performance/useDomNodeTextContent: it is to be copied as it is laid out.
    event.clipboardData.setData("text/plain", holder.innerText);
    event.clipboardData.setData("text/html", markup);
    holder.remove();
    event.preventDefault();
  });
}
