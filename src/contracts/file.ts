/** What every `file` promises. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { FileInfo, NewFile } from "../protocols";
import { type ContractCase, holds, rejected } from "./contract";

const LIMIT = 50 * 1024 * 1024; // Bytes, as the protocol says.

export const fileContract: readonly ContractCase[] = [
  {
    name: "a file comes back with its bytes, name, type, size, hash and time",
    async run({ file }) {
      const before = Date.now();
      const info = await file.put("ann", newFile("a picture.png", "image/png", bytes(300_001)));
      assert.deepEqual(
        { ...info, id: "", created: "" },
        {
          id: "",
          name: "a picture.png",
          type: "image/png",
          size: 300_001,
          sha256: createHash("sha256").update(bytes(300_001)).digest("hex"),
          created: "",
        },
      );
      assert.match(info.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
      holds(info.created, `a time after ${new Date(before).toISOString()}`, (created) => {
        return Date.parse(created) >= before - 1000 && Date.parse(created) <= Date.now() + 1000;
      });
      assert.deepEqual(await file.get("ann", info.id), info);
      const blob = await file.open("ann", info.id);
      assert.deepEqual(await blob?.bytes(), bytes(300_001));
      assert.deepEqual(await blob?.slice(100, 200).bytes(), bytes(300_001).slice(100, 200));
      assert.equal((await new Response(blob?.stream()).bytes()).length, 300_001);
    },
  },
  {
    name: "text is read whatever its name and type say, and what is none is said to be none",
    async run({ file }) {
      const source = new TextEncoder().encode("print('ü')\n");
      const { id } = await file.put("ann", newFile("tool.py", "application/octet-stream", source));
      assert.deepEqual(await file.text("ann", id), { kind: "text", text: "print('ü')\n", tokens: 3 });
      const other = await file.put("ann", newFile("notes.txt", "text/plain", new Uint8Array([0, 1, 2, 255, 0])));
      const read = await file.text("ann", other.id);
      assert.equal(read?.text, "");
      assert.equal(read?.fault, "unknownKind");
      assert.equal(await file.text("bob", id), null);
      assert.equal(await file.text("ann", "none"), null);
    },
  },
  {
    name: "an empty file is a file",
    async run({ file }) {
      const info = await file.put("ann", newFile("nothing", "text/plain", bytes(0)));
      assert.equal(info.size, 0);
      assert.equal((await file.open("ann", info.id))?.size, 0);
    },
  },
  {
    name: "nobody reaches a file of another user, nor one that does not exist",
    async run({ file }) {
      const { id } = await file.put("ann", newFile("hers", "text/plain", bytes(10)));
      for (const [user, wanted] of [
        ["bob", id],
        ["ann", "none"],
        ["ann", "../../etc/passwd"],
        ["ann", ""],
      ] as const) {
        assert.equal(await file.get(user, wanted), null);
        assert.equal(await file.open(user, wanted), null);
        assert.equal(await file.remove(user, wanted), false);
      }
      assert.equal((await file.open("ann", id))?.size, 10);
    },
  },
  {
    name: "the same bytes of several people stay until the last of them removes theirs",
    async run({ file }) {
      const mine = await file.put("ann", newFile("mine.txt", "text/plain", bytes(1000)));
      const again = await file.put("ann", newFile("again.txt", "text/plain", bytes(1000)));
      const his = await file.put("bob", newFile("his.bin", "application/octet-stream", bytes(1000)));
      assert.equal(new Set([mine.id, again.id, his.id]).size, 3);
      assert.equal(await file.remove("ann", mine.id), true);
      assert.equal(await file.remove("ann", mine.id), false);
      assert.equal(await file.get("ann", mine.id), null);
      assert.equal(await file.open("ann", mine.id), null);
      assert.deepEqual(await (await file.open("ann", again.id))?.bytes(), bytes(1000));
      assert.equal(await file.remove("ann", again.id), true);
      assert.deepEqual(await (await file.open("bob", his.id))?.bytes(), bytes(1000));
      assert.equal(await file.remove("bob", his.id), true);
      const later = await file.put("bob", newFile("later", "text/plain", bytes(1000)));
      assert.deepEqual(await (await file.open("bob", later.id))?.bytes(), bytes(1000));
    },
  },
  {
    name: "whoever puts bytes while others remove the same has them",
    async run({ file }) {
      for (let round = 0; round < 20; round += 1) {
        const old = await Promise.all([1, 2].map(() => file.put("ann", newFile("old", "text/plain", bytes(50)))));
        const [kept] = await Promise.all([
          file.put("bob", newFile("kept", "text/plain", bytes(50))),
          ...old.map((info) => file.remove("ann", info.id)),
          ...old.map((info) => file.remove("ann", info.id)),
        ]);
        assert.deepEqual(await (await file.open("bob", kept.id))?.bytes(), bytes(50));
        await file.remove("bob", kept.id);
      }
    },
  },
  {
    name: "the list has all of a user's files in pages, newest first, and nobody else's",
    async run({ file }) {
      assert.deepEqual(await file.list("ann"), []);
      const put: FileInfo[] = [];
      for (const name of ["one", "two", "three", "four", "five"]) {
        put.unshift(await file.put("ann", newFile(name, "text/plain", bytes(name.length))));
        await Bun.sleep(2); // Two of the same millisecond need not be in order.
      }
      const his = await file.put("bob", newFile("his", "text/plain", bytes(3)));
      assert.deepEqual(await file.list("ann"), put);
      const first = await file.list("ann", { limit: 2 });
      assert.deepEqual(first, put.slice(0, 2));
      const next = await file.list("ann", { limit: 2, before: first[1]?.id ?? "" });
      assert.deepEqual(next, put.slice(2, 4));
      assert.deepEqual(await file.list("ann", { before: put[4]?.id ?? "" }), []);
      const ids = [put[1]?.id ?? "", "none", his.id, put[3]?.id ?? ""];
      assert.deepEqual(await file.list("ann", { ids }), [put[1], put[3]]);
      assert.deepEqual(await file.list("ann", { ids: [] }), []);
      await file.remove("ann", put[0]?.id ?? "");
      assert.deepEqual(await file.list("ann"), put.slice(1));
    },
  },
  {
    name: "the size is that of the contents that a user has, each once, in whichever order files come and go",
    async run({ file }) {
      assert.equal(await file.size("ann"), 0);
      const one = await file.put("ann", newFile("one", "text/plain", bytes(100)));
      const again = await file.put("ann", newFile("again", "image/png", bytes(100)));
      await file.put("ann", newFile("other", "text/plain", bytes(7)));
      await file.put("bob", newFile("his", "text/plain", bytes(100)));
      assert.equal(await file.size("ann"), 107);
      await file.remove("ann", one.id);
      assert.equal(await file.size("ann"), 107);
      await file.remove("ann", again.id);
      await file.remove("ann", again.id);
      assert.equal(await file.size("ann"), 7);
      assert.equal(await file.size("bob"), 100);
    },
  },
  {
    name: "the size is right when the same content comes and goes at the same time",
    async run({ file }) {
      for (let round = 0; round < 10; round += 1) {
        const olds = await Promise.all([1, 2].map(() => file.put("ann", newFile("old", "text/plain", bytes(50)))));
        assert.equal(await file.size("ann"), 50);
        const [kept] = await Promise.all([
          file.put("ann", newFile("kept", "text/plain", bytes(50))),
          ...olds.map(({ id }) => file.remove("ann", id)),
        ]);
        assert.equal(await file.size("ann"), 50);
        await file.remove("ann", kept.id);
        assert.equal(await file.size("ann"), 0);
      }
    },
  },
  {
    name: "a name is cleaned for display",
    async run({ file }) {
      const names: [string, RegExp][] = [
        ["../../etc/passwd", /^passwd$/],
        ["C:\\folder\\report.pdf", /^report\.pdf$/],
        ["two\r\nlines\u0000.txt", /^twolines\.txt$/],
        ["Grüße 你好 🙂.txt", /^Grüße 你好 🙂\.txt$/u],
        ["", /./],
        ["..", /[^.]/],
        ["/", /^[^/]+$/],
        ["\ud800", /./],
      ];
      for (const [name, expected] of names) {
        const info = await file.put("ann", newFile(name, "text/plain", bytes(1)));
        assert.match(info.name, expected, JSON.stringify(name));
        assert.equal((await file.get("ann", info.id))?.name, info.name);
      }
      const long = await file.put("ann", newFile("x".repeat(5000), "text/plain", bytes(1)));
      holds(long.name.length, "at most 255 characters", (length) => length <= 255);
    },
  },
  {
    name: "a type that is none becomes application/octet-stream, and parameters are dropped",
    async run({ file }) {
      const types: [string, string][] = [
        ["Image/PNG", "image/png"],
        ["text/plain;charset=utf-8", "text/plain"],
        ["", "application/octet-stream"],
        ["text", "application/octet-stream"],
        ["text/html\r\nSet-Cookie: a=b", "application/octet-stream"],
        ["<b>/x", "application/octet-stream"],
      ];
      for (const [type, expected] of types) {
        assert.equal((await file.put("ann", newFile("x", type, bytes(1)))).type, expected, type);
      }
    },
  },
  {
    name: "a file over 50 MiB is refused as too large",
    async run({ file }) {
      await rejected(file.put("ann", newFile("large", "text/plain", new Uint8Array(LIMIT + 1))), "tooLarge");
    },
  },
];

function newFile(name: string, type: string, data: Uint8Array<ArrayBuffer>): NewFile {
  return { name, type, data: new Blob([data]) };
}

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (index * 31) % 251);
}
