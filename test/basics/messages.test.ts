import { describe, expect, test } from "bun:test";
import { applyEdit, newestEnd, pathTo, toContext } from "../../src/basics/messages";
import type { ContextMessage, Message, MessageNode } from "../../src/protocols";
import { testMessage } from "../support/chat-data";
import { fileInfo } from "../support/upstream-core";

describe("a tree of messages", () => {
  const node = (id: string, parentId: string | null): MessageNode => ({ id, parentId, role: "user", turnId: "t" });
  const nodes = [node("a", null), node("b", "a"), node("c", "a"), node("d", "b"), node("e", "c"), node("f", "d")];

  test("has one path from the root to each message, and none to what is not in it", () => {
    expect(pathTo(nodes, "f").map(({ id }) => id)).toEqual(["a", "b", "d", "f"]);
    expect(pathTo(nodes, "a").map(({ id }) => id)).toEqual(["a"]);
    expect(pathTo(nodes, "x")).toEqual([]);
  });

  test("has below each message the end that was added last", () => {
    expect(newestEnd(nodes, "a")).toBe("e");
    expect(newestEnd(nodes, "b")).toBe("f");
    expect(newestEnd(nodes, "f")).toBe("f");
  });
});

describe("a path as a model reads it", () => {
  let number = 0;
  const path = (...parts: readonly Partial<Message>[]) =>
    toContext(parts.map((fields) => testMessage({ id: `${number++}`, ...fields })));
  const user = (content: string): Partial<Message> => ({ role: "user", content, turnId: "u", step: 0 });

  test("leaves out thinking, notices and files that the turn made", () => {
    const list = path(
      user("one"),
      { role: "thinking", type: "thinking", content: "hm" },
      { type: "notice", content: "remark" },
      { type: "file", content: "" },
      { content: "two" },
    );
    expect(list.map(({ content }) => content)).toEqual(["one", "two"]);
  });

  test("has the files of a result with that result", () => {
    const tool = { role: "tool", type: "tool", name: "draw", content: "drawn" } as const;
    const file = (callId: string, id: string) =>
      ({ type: "file", callId, files: [fileInfo(id, "image/png", 1)] }) as const;
    const list = path(
      user("go"),
      { ...tool, callId: "a" },
      file("b", "one"),
      { ...tool, callId: "b" },
      file("b", "two"),
    );
    expect(list.map(({ files }) => files?.map(({ id }) => id))).toEqual([
      undefined,
      undefined,
      undefined,
      ["one", "two"],
    ]);
  });

  test("tells the model that a reply was stopped, once, with the next message", () => {
    const list = path(user("one"), { content: "tw", cut: "stopped" }, user("three"), { content: "four" }, user("five"));
    expect(list.map(({ content }) => content)).toEqual([
      "one",
      "tw",
      expect.stringMatching(/stopped by the user.*\n\nthree$/s),
      "four",
      "five",
    ]);
  });

  test("has what a turn went on with as one message with what it went on from", () => {
    const list = path(user("one"), { content: "tw", cut: "interrupted", turnId: "a" }, { content: "o.", turnId: "b" });
    expect(list.map(({ role, content }) => [role, content])).toEqual([
      ["user", "one"],
      ["assistant", "two."],
    ]);
  });

  test("joins texts around thinking in one step, and keeps steps apart", () => {
    const list = path(
      user("go"),
      { content: "a" },
      { role: "thinking", type: "thinking", content: "hm" },
      { content: "b" },
      { role: "tool", type: "tool", callId: "c", name: "look", content: "seen" },
      { content: "done", step: 2 },
    );
    expect(list.map(({ role, content }) => [role, content])).toEqual([
      ["user", "go"],
      ["assistant", "ab"],
      ["tool", "seen"],
      ["assistant", "done"],
    ]);
  });

  test("gives a call without text a message of its own, and every message another id", () => {
    const tool = { role: "tool", type: "tool", name: "look", content: "seen" } as const;
    const list = path(user("go"), { ...tool, callId: "a" }, { ...tool, callId: "b" });
    expect(list.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "tool"]);
    expect(list[1]).toMatchObject({ content: "", toolCalls: [{ callId: "a", arguments: "{}" }, { callId: "b" }] });
    expect(new Set(list.map(({ id }) => id)).size).toBe(4);
  });
});

describe("an edit", () => {
  const message = (id: string, role: ContextMessage["role"] = "user") => ({ id, role, content: id });
  const list = [message("a"), message("b", "assistant"), message("c", "tool"), message("d")];
  const ids = (edited: readonly ContextMessage[]) => edited.map(({ id }) => id);
  const edit = (kind: "text" | "remove" | "add" | "replace", target: string) =>
    applyEdit(list, { kind, target, messages: [message("new")] });

  test("takes the results of a call along with the call", () => {
    expect(ids(edit("remove", "b"))).toEqual(["a", "d"]);
    expect(ids(edit("replace", "b"))).toEqual(["new", "d"]);
    expect(ids(edit("add", "b"))).toEqual(["a", "b", "c", "new", "d"]);
    expect(edit("remove", "c")[2]).toMatchObject({ id: "c", content: "(removed)" });
    expect(edit("text", "b")[1]).toMatchObject({ id: "b", role: "assistant", content: "new" });
  });

  test("of the beginning comes before all, and one of what is not there changes nothing", () => {
    expect(ids(edit("add", ""))).toEqual(["new", "a", "b", "c", "d"]);
    expect(edit("replace", "x")).toEqual(list);
  });
});
