import { expect, test } from "bun:test";
import { camelCase, fromRecord, inCamelCase, inSnakeCase, snakeCase } from "../../src/basics/names";

test("a name goes from one spelling to the other and back", () => {
  for (const [camel, snake] of [
    ["threadId", "thread_id"],
    ["isReallyCut", "is_really_cut"],
    ["sha256", "sha256"],
    ["id", "id"],
  ] as const) {
    expect(snakeCase(camel)).toBe(snake);
    expect(camelCase(snake)).toBe(camel);
  }
});

test("an object's fields are renamed, and nothing inside of their values", () => {
  const parameters = { maxTokens: 1, top_p: 2 };
  const snake: { readonly thread_id: string; readonly parameters: object } = inSnakeCase({ threadId: "t", parameters });
  expect(snake).toEqual({ thread_id: "t", parameters });
  const camel: { readonly threadId: string; readonly parameters: object } = inCamelCase({ thread_id: "t", parameters });
  expect(camel).toEqual({ threadId: "t", parameters });
});

test("the compiler knows what the result may lack", () => {
  const fields: { readonly headId?: string; readonly turnId: string } = { turnId: "u" };
  const named: { head_id?: string; turn_id: string } = inSnakeCase(fields);
  expect(named).toEqual({ turn_id: "u" });
  // @ts-expect-error: it may be absent.
  const missing: { head_id: string } = inSnakeCase(fields);
  expect(missing.head_id).toBeUndefined();
});

test("fields that are undefined are left out, and null stays", () => {
  expect(Object.keys(inSnakeCase({ headId: null, callId: undefined }))).toEqual(["head_id"]);
  expect(Object.keys(inCamelCase({ head_id: null, call_id: undefined }))).toEqual(["headId"]);
});

test("a record's empty fields are absent, but for those that may be null", () => {
  interface Kept {
    readonly id: string;
    readonly headId: string | null;
    readonly callId?: string;
  }
  const record = { id: "a", head_id: null, call_id: null };
  expect(fromRecord<Kept>(record, ["headId"])).toStrictEqual({ id: "a", headId: null });
  expect(fromRecord<Kept>({ ...record, head_id: "h", call_id: "c" }, ["headId"])).toStrictEqual({
    id: "a",
    headId: "h",
    callId: "c",
  });
});
