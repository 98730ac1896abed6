/** Random operations on the store and on a plain model of it must get the same answers. `SEED=n` repeats a failing run. */

import { expect, test } from "bun:test";
import { isAppError } from "../../../src/basics/errors";
import type { Json, JsonObject, StoreProtocol, StoreQuery, StoreWhere } from "../../../src/protocols";
import { temporaryFolder } from "../../support/temporary";
import { createModel } from "./model";
import { openStore } from "./support";

const RUNS = 20;
const STEPS = 300;
const NAME = "things";
const FIELDS = {
  s: { type: "str", search: true },
  t: { type: "str", search: true, index: true, sized: true },
  i: { type: "int", index: true },
  f: "float",
  b: "bool",
  j: { type: "json", sized: true },
  c: "json_collection",
  d: "json_collection",
} as const;
const TEXTS = ["", "alpha", "Beta alpha", "bet", "gamma-ray, beta", "0", "é", "zero\0zero", "ünder", "ALPHA gamma"];

const first = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

for (let run = 0; run < (process.env.SEED ? 1 : RUNS); run += 1) {
  const seed = first + run;
  test(`the store answers as the model does, seed ${seed}`, async () => {
    const folder = temporaryFolder();
    const model = createModel({
      fields: ["s", "t", "i", "f", "b", "j"],
      searched: ["s", "t"],
      sized: { t: "str", j: "json" },
    });
    const random = randomFrom(seed);
    let store = openStore(folder);
    await store.createStoreIfNotExists(NAME, FIELDS);
    for (let step = 0; step < STEPS; step += 1) {
      if (random.chance(0.01)) {
        await store.close();
        store = openStore(folder);
      }
      const { says, run: operation } = randomOperation(random);
      const context = `seed ${seed}, step ${step}: ${says}`;
      expect({ context, answer: await answer(operation(store)) }).toEqual({
        context,
        answer: await answer(operation(model)),
      });
    }
    await store.close();
  });
}

type Operations = ReturnType<typeof createModel>;
type Random = ReturnType<typeof randomFrom>;

/** A value, or the code of the error. */
async function answer(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => {
    if (isAppError(error)) return { threw: error.code };
    if (error instanceof Error && ["conflict", "notFound"].includes(error.message)) return { threw: error.message };
    throw error;
  });
}

function randomOperation(random: Random): {
  says: string;
  run: (store: Operations | StoreProtocol) => Promise<unknown>;
} {
  const owner = random.pick(["ann", "bob", null]);
  const id = `r${random.below(12)}`;
  const fields = someFields(random);
  const amounts = { i: 1 + random.below(4), f: 0.5 };
  const ids = Array.from({ length: random.below(4) }, () => `r${random.below(12)}`);
  const many = ids.map((each) => ({ id: each, fields: someFields(random) }));
  const where = random.chance(0.5) ? someWhere(random) : undefined;
  const collection = random.pick(["c", "d"]);
  const items = Array.from({ length: random.below(4) }, () => someJson(random));
  const range = { from: random.below(4), limit: random.below(5) };
  const query = someQuery(random, where);
  const text = random.pick([
    "alpha",
    "bet",
    "beta al",
    "beta alp",
    "gamma ray",
    "",
    '"',
    "NEAR(alpha)",
    "zero",
    "alpha*",
  ]);
  const options = { ...(where && { where }), limit: 1 + random.below(6) };
  const operations: [string, (store: Operations | StoreProtocol) => Promise<unknown>][] = [
    [`add ${j(fields)}`, (store) => store.add(owner, NAME, fields, id)],
    [`add ${j(fields)}`, (store) => store.add(owner, NAME, fields, id)],
    [`add many ${j(many)}`, (store) => store.addMany(owner, NAME, many)],
    ["get", (store) => store.get(owner, NAME, id)],
    [`get many ${j(ids)}`, (store) => store.getMany(owner, NAME, ids)],
    [`find ${j(query)}`, (store) => store.find(owner, NAME, query)],
    [`update ${j(fields)} where ${j(where)}`, (store) => store.update(owner, NAME, id, fields, where)],
    [`increment ${j(amounts)} ${j(fields)}`, (store) => store.increment(owner, NAME, id, amounts, fields)],
    [`delete where ${j(where)}`, (store) => store.delete(owner, NAME, id, where)],
    [`count ${j(where)}`, (store) => store.count(owner, NAME, where)],
    ["size", (store) => store.size(owner, NAME)],
    [`append ${collection} ${j(items)}`, (store) => store.collectionAppend(owner, NAME, id, collection, items)],
    [
      `append ${collection} ${j(items)} where ${j(where)}`,
      (store) => store.collectionAppend(owner, NAME, id, collection, items, where),
    ],
    [`items ${collection} ${j(range)}`, (store) => store.collectionGet(owner, NAME, id, collection, range)],
    [`search ${j(text)} ${j(options)}`, (store) => store.fullTextSearch(owner, NAME, text, options)],
  ];
  const [says, run] = random.pick(operations);
  return { says: `${owner} ${id} ${says}`, run };
}

function j(value: unknown): string {
  return JSON.stringify(value) ?? "undefined";
}

function someFields(random: Random): JsonObject {
  const fields: Record<string, Json> = {};
  for (const name of ["s", "t", "i", "f", "b", "j"]) if (random.chance(0.6)) fields[name] = someValue(random, name);
  return fields;
}

function someValue(random: Random, field: string): Json {
  if (random.chance(0.15)) return null;
  if (field === "i") return random.pick([0, 1, -1, 2, 2 ** 40, -(2 ** 53) + 1]);
  if (field === "f") return random.pick([0, 1, -1.5, 0.1, 1e300, 2 ** 60]);
  if (field === "b") return random.chance(0.5);
  return field === "j" ? someJson(random) : random.pick(TEXTS);
}

function someJson(random: Random): Json {
  return random.pick<Json>([null, true, 0, 1.5, "x", "", [], {}, [1, [null]], { a: { b: "é" } }, "null"]);
}

function someWhere(random: Random): StoreWhere {
  const field = random.pick(["s", "t", "i", "f", "b", "j", "id"]);
  if (field === "j") return { j: null };
  const value = () => (field === "id" ? `r${random.below(12)}` : someValue(random, field));
  const one = value();
  if (one === null || typeof one === "boolean") return { [field]: one };
  const scalar = () => {
    const other = value();
    return typeof other === "number" || typeof other === "string" ? other : (one as string | number);
  };
  const test = random.pick<StoreWhere[string]>([
    scalar(),
    { gt: scalar() },
    { lte: scalar() },
    { gte: scalar(), lt: scalar() },
    { in: [scalar(), scalar()] },
  ]);
  return random.chance(0.3) ? { [field]: test, ...someWhere(random) } : { [field]: test };
}

function someQuery(random: Random, where: StoreWhere | undefined): StoreQuery {
  return {
    ...(where && { where }),
    ...(random.chance(0.6) && { orderBy: random.pick(["s", "t", "i", "f", "b", "id"]) }),
    ...(random.chance(0.5) && { descending: random.chance(0.7) }),
    ...(random.chance(0.5) && { limit: random.below(6) }),
    ...(random.chance(0.3) && { select: random.pick([["s"], ["i", "j"], [], ["id", "b"]]) }),
  };
}

/** Mulberry32: small, and the same on every machine. */
function randomFrom(seed: number) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number) => Math.floor(next() * end);
  return {
    below,
    chance: (probability: number) => next() < probability,
    pick: <T>(options: readonly T[]): T => options[below(options.length)] as T,
  };
}
