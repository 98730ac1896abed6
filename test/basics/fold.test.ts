import { expect, test } from "bun:test";
import { folded, foldedInPlace, foldedWords } from "../../src/basics/fold";

test.each([
  ["plain text, as it is", "plain text, as it is"],
  ["oﬃce", "office"],
  ["２０２４", "2024"],
  ["so\u00adft\u2060 hy\u200dphen", "soft hyphen"],
  ["שָׁלוֹם", "שלום"],
  ["مُـحَـمَّـد", "محمد"],
  ["cafe\u0301", "café"],
  ["が", "が"],
  ["हिन्दी", "हिन्दी"],
  ["Straße ẞ", "Strasse ss"],
  ["ırmak", "irmak"],
  ["Æsop œuvre smørrebrød", "aesop oeuvre smorrebrod"],
  ["Łódź đường", "lódź dường"],
  ["Þór", "thór"],
  ["Ελλάδα ἀρχῇ λόγος", "Ελλαδα αρχη λογοσ"],
  ["ёлка Ёж", "елка еж"],
  ["йод", "йод"],
  ["أحمد إيمان آمن", "احمد ايمان امن"],
  ["مدرسة موسى", "مدرسه موسي"],
  ["ज़रूरत क\u093cलम", "जरूरत कलम"],
  ["Sign™ – “quoted”", "Sign quoted "],
])("%p is searched as %p", (text, wanted) => {
  expect(folded(text)).toBe(wanted);
  expect(folded(folded(text))).toBe(wanted);
});

test("what has no letter is no word, and a word of marks is none", () => {
  expect(foldedWords("a – \u0301\u0302 ™ \u00ad \ufdfa ½b")).toEqual(["a", "1", "2b"]);
});

test("what is shown as found folds the words of a search as they are looked for", () => {
  for (const text of ["Straße", "ırmak", "Łódź", "Œuvre", "ΛΌΓΟΣ", "Ёлка", "إيمان", "مدرسة", "ज़रूरत"])
    expect(foldedInPlace(text).text).toBe(foldedInPlace(folded(text)).text);
  expect(foldedInPlace("aßb").origin).toEqual([0, 1, 1, 2]);
});

test("each letter leads back to the character it came from", () => {
  const { text, origin } = foldedInPlace("aﬃÉ\u00ad𝐛");
  expect([text, origin]).toEqual(["affieb", [0, 1, 1, 1, 2, 4]]);
});
