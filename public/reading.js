// What a reader of a chat does: see the words that a search found where they stand, and have all of it on paper. Joined after
// chat.js. Without it the address of a hit leads to its message, and paper says where messages are missing.
{
  // As src/basics/fold.ts has it, but for what only some browsers understand.
  const UNSEEN = /[\p{Default_Ignorable_Code_Point}\u0640]/gu;
  const SIGNS =
    /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0730-\u074a\u093c]/gu;
  const LETTERS = {
    ...{ ß: "ss", ı: "i", æ: "ae", œ: "oe", ø: "o", ł: "l", đ: "d", ð: "d", þ: "th", ς: "σ", ё: "е" },
    ...{ أ: "ا", إ: "ا", آ: "ا", ٱ: "ا", ة: "ه", ى: "ي", ی: "ي", ک: "ك" },
  };
  const LETTER = new RegExp(`[${Object.keys(LETTERS).join("")}]`, "gu");
  const fold = (text) => {
    const plain = text.replace(UNSEEN, "").normalize("NFKD").replace(SIGNS, "").toLowerCase();
    return plain.replace(LETTER, (letter) => LETTERS[letter]);
  };
  const [WORDS, RANGES, LENGTH] = [32, 500, 200_000]; // What is marked in a moment, and is more than anybody looks at.

  const asked = new URLSearchParams(location.search).get("mark") ?? "";
  const words = (fold(asked).match(/[\p{L}\p{N}\p{M}]+/gu) ?? []).slice(0, WORDS);

  /** Where the words stand in an element, in the order of the words. */
  const rangesIn = (element) => {
    let [text, length] = ["", 0];
    const places = [];
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node && length < LENGTH; node = walker.nextNode()) {
      let at = 0;
      for (const character of node.data) {
        const folded = fold(character);
        for (let unit = 0; unit < folded.length; unit++) places.push([node, at, at + character.length]);
        text += folded;
        at += character.length;
      }
      length += at;
    }
    const ranges = [];
    for (const word of words) {
      for (let at = text.indexOf(word); at >= 0 && ranges.length < RANGES; at = text.indexOf(word, at + word.length)) {
        const [[first, start], [last, , end]] = [places[at], places[at + word.length - 1]];
        const range = new Range();
        range.setStart(first, start);
        range.setEnd(last, end);
        ranges.push(range);
      }
    }
    return ranges;
  };

  const found = words.length > 0 && document.querySelector(".target + *");
  if (found) {
    const ranges = rangesIn(found);
    if (window.Highlight && ranges.length > 0) {
      CSS.highlights.set("found", new Highlight(...ranges));
      found.previousElementSibling.remove(); // It marks the message as a whole.
    }
    const [first] = ranges.sort((one, other) => one.compareBoundaryPoints(Range.START_TO_START, other));
    const place = first?.startContainer.parentElement;
    for (let around = place; around; around = around.parentElement)
      if (around.tagName === "DETAILS") around.open = true;
    // Messages are as high as they are only once they are near.
    const show = () => place?.scrollIntoView({ block: "center" });
    show();
    requestAnimationFrame(() => requestAnimationFrame(show));
  }

  // The address of a link stands beside it on paper, unless it is what the link says.
  addEventListener("beforeprint", () => {
    for (const link of document.querySelectorAll("#messages .parts a"))
      link.toggleAttribute("data-says-address", link.textContent.includes(link.getAttribute("href")));
  });

  addEventListener("keydown", async (event) => {
    const isPrint = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key === "p";
    const earlier = () => document.querySelector(".more-messages.earlier");
    if (!isPrint || event.defaultPrevented || !earlier()) return;
    event.preventDefault();
    for (let link = earlier(), last = null; link && link !== last; link = earlier()) {
      const loaded = new Promise((resolve) => addEventListener("htmx:finally:request", resolve, { once: true }));
      last = link;
      link.click();
      await loaded;
    }
    const pictures = [...document.querySelectorAll("#messages img")];
    for (const picture of pictures) picture.loading = "eager";
    await Promise.allSettled(pictures.map((picture) => picture.decode()));
    print();
  });
}
