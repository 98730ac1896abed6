import { describe, expect, test } from "bun:test";
import type { MessageNode } from "../../../src/protocols";
import { chooseWindow } from "../../../src/routes/page/window";

/** Replies of `length` messages to `count` questions, below `from`; ids are numbers with `prefix` before them. */
function conversation(count: number, length: number, prefix = "", from: string | null = null): MessageNode[] {
  const size = count * (length + 1);
  return Array.from({ length: size }, (_, index) => ({
    id: `${prefix}${index}`,
    parentId: index === 0 ? from : `${prefix}${index - 1}`,
    role: index % (length + 1) === 0 ? ("user" as const) : ("assistant" as const),
    turnId: "t",
  }));
}

const ids = (nodes: readonly MessageNode[]) => nodes.map(({ id }) => id);

describe("the window of a page", () => {
  const nodes = conversation(100, 2);

  test("is the end of the branch, and begins with a message of the user", () => {
    const { shown, before, next, endId, isThreadsBranch } = chooseWindow(nodes, "299", {});
    expect(ids(shown)).toEqual(ids(nodes.slice(198)));
    expect({ before, next, endId, isThreadsBranch }).toEqual({
      before: "198",
      next: null,
      endId: "299",
      isThreadsBranch: true,
    });
  });

  test("pages upwards follow each other without a gap, whatever the lengths of replies", () => {
    for (const length of [0, 1, 2, 7, 150]) {
      const all = conversation(20, length);
      const seen: string[] = [];
      let before: string | undefined;
      for (let pages = 0; pages < 30; pages++) {
        const page = chooseWindow(all, all.at(-1)?.id ?? "", { before });
        expect(page.shown[0]?.role).toBe("user");
        seen.unshift(...ids(page.shown));
        if (page.before === null) break;
        before = page.before;
      }
      expect(seen).toEqual(ids(all));
    }
  });

  test("around a message has some before it, and links on to the rest", () => {
    const page = chooseWindow(nodes, "299", { at: "130" });
    expect(page.before).toBe("108");
    expect(page.next).toBe("210");
    expect(ids(page.shown)).toEqual(ids(nodes.slice(108, 210)));
    expect(chooseWindow(nodes, "299", { at: page.next ?? "" }).shown).toEqual(nodes.slice(198));
  });

  test("around a message of the end is the end", () => {
    expect(chooseWindow(nodes, "299", { at: "250" })).toEqual(chooseWindow(nodes, "299", {}));
    expect(chooseWindow(nodes, "299", { at: "0" }).before).toBeNull();
  });

  test("around a message of another branch is that branch, to its newest end", () => {
    const other = conversation(2, 2, "b", "2");
    const all = [...nodes, ...other];
    const page = chooseWindow(all, "299", { at: "b1" });
    expect(ids(page.shown)).toEqual(["0", "1", "2", ...ids(other)]);
    expect(page.isThreadsBranch).toBe(false);
    expect(page.endId).toBe("b5");
    expect(chooseWindow(all, "299", { at: "1" }).isThreadsBranch).toBe(true);
  });

  test("what is not in the thread is as not asked for, and an empty thread has an empty window", () => {
    expect(chooseWindow(nodes, "299", { at: "no such" })).toEqual(chooseWindow(nodes, "299", {}));
    expect(chooseWindow(nodes, "299", { before: "no such" })).toEqual(chooseWindow(nodes, "299", {}));
    expect(chooseWindow([], null, {})).toEqual({
      shown: [],
      before: null,
      next: null,
      endId: null,
      isThreadsBranch: true,
    });
  });
});
