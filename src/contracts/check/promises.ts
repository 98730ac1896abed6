/** Holds what a plugin provides to the contracts of the protocols, each case on a core of its own in a folder of its own. */

import { AssertionError } from "node:assert";
import { messageOf } from "../../basics/errors";
import { inTime } from "../../plugins/patience";
import type { Core, PluginInfo, ProtocolName } from "../../protocols";
import { contracts } from "..";
import { type ContractCase, shown } from "../contract";
import { STAND_IN } from "../stand-in";
import { onCore, type Subject, temporaryConfig, whyNotWinning } from "./temporary";

export interface Checked {
  readonly lines: readonly string[];
  readonly hasFaults: boolean;
}

export async function keepsContracts(subject: Subject, { provides }: PluginInfo): Promise<Checked> {
  const lines: string[] = [];
  let hasFaults = false;
  for (const protocol of provides as readonly ProtocolName[]) {
    const broken = await brokenOf(subject, protocol);
    hasFaults ||= broken.length > 0;
    if (broken.length > 0) lines.push(...broken.map((why) => `  FAULT ${protocol}: ${why}`));
    else
      lines.push(
        `  ok    ${protocol} keeps its ${contracts[protocol].length} promises${await howHeld(subject, protocol)}`,
      );
  }
  return { lines, hasFaults };
}

async function brokenOf(subject: Subject, protocol: ProtocolName): Promise<readonly string[]> {
  const unsafe = await whyUnsafe(subject, protocol);
  if (unsafe !== null) return [unsafe];
  const broken: string[] = [];
  for (const it of contracts[protocol]) {
    const why = await brokenBy(subject, protocol, it);
    if (why !== null) broken.push(`${it.name}: ${why}`);
  }
  return broken;
}

/** Why a promise is not kept, on one line; null when it is. */
async function brokenBy(subject: Subject, protocol: ProtocolName, it: ContractCase): Promise<string | null> {
  return failing(subject, protocol, (core) => it.run(core));
}

/** Runs on a core in which the plugin provides the protocol. Says on one line what fails; null when nothing does. */
async function failing(
  { folder, config, alone, name, limits }: Subject,
  protocol: ProtocolName,
  run: (core: Core) => Promise<void>,
): Promise<string | null> {
  try {
    return await onCore(await temporaryConfig(folder, config, alone), { limits }, async ({ core }) => {
      const why = whyNotWinning(core, name, protocol);
      if (why !== null) return `It was not used, so nothing of it was tested: ${why}`;
      await inTime(limits.caseS, "case", () => run(core));
      return null;
    });
  } catch (error) {
    return (differenceOf(error) ?? messageOf(error)).replace(/\s+/g, " ").slice(0, 300);
  }
}

const OWNER = "check";
const ELSEWHERE =
  "It keeps what it is given elsewhere than in config.dataPath and without config.scratch. Nothing more was tried, because that may be real data.";

/** What keeps data is first given one thing, which the next core, in another folder and under another scratch name, must not have. */
const KEEPS: { readonly [P in ProtocolName]?: (core: Core, given: Given) => Promise<Kept> } = {
  async store({ store }, { key, isSecond }) {
    await store.createStoreIfNotExists(key, { text: "str" });
    if (!isSecond) await store.add(OWNER, key, { text: "Made by a check." }, key);
    const isThere = isSecond && (await store.get(OWNER, key, key)) !== null;
    return { id: key, isThere, undo: () => store.delete(OWNER, key, key) };
  },
  async file({ file }, { id: before, isSecond }) {
    if (isSecond)
      return { id: before, isThere: (await file.get(OWNER, before)) !== null, undo: () => file.remove(OWNER, before) };
    const { id } = await file.put(OWNER, {
      name: "check.txt",
      type: "text/plain",
      data: new Blob(["Made by a check."]),
    });
    return { id, isThere: false, undo: async () => {} };
  },
  async limit({ limit }, { key, isSecond }) {
    const { allowed } = await limit.take(key, 1, 3600);
    return { id: key, isThere: isSecond && !allowed, undo: async () => {} };
  },
};

interface Given {
  /** A name that nobody else has. */
  readonly key: string;
  /** What the first core gave for what it was given. */
  readonly id: string;
  readonly isSecond: boolean;
}

interface Kept {
  readonly id: string;
  readonly isThere: boolean;
  undo(): Promise<unknown>;
}

/** Why its cases must not be run, or cannot be; null = they can. */
async function whyUnsafe(subject: Subject, protocol: ProtocolName): Promise<string | null> {
  const keep = KEEPS[protocol];
  const key = `check_${Bun.randomUUIDv7().replaceAll("-", "")}`;
  let id = key;
  const first = await failing(subject, protocol, async (core) => {
    id = (await keep?.(core, { key, id, isSecond: false }))?.id ?? id;
  });
  if (first !== null || keep === undefined) return first;
  return failing(subject, protocol, async (core) => {
    const { isThere, undo } = await keep(core, { key, id, isSecond: true });
    if (!isThere) return;
    await undo();
    throw new Error(ELSEWHERE);
  });
}

/** An endpoint that is down, or a key that is missing, must not look like a test that was passed. */
async function howHeld({ folder, config, alone, limits }: Subject, protocol: ProtocolName): Promise<string> {
  if (protocol !== "model") return "";
  const models = await onCore(await temporaryConfig(folder, config, alone), { limits }, ({ core }) =>
    core.model.list(),
  );
  return models.some((id) => id !== STAND_IN) ? "" : ", with a stand-in: it lists no model of its own now";
}

/** Of an assertion that compares, what came and what was promised; its own message is made for a screen of lines. */
function differenceOf(error: unknown): string | null {
  if (!(error instanceof AssertionError) || error.operator === "fail") return null;
  if (!error.generatedMessage && !/equal$/i.test(error.operator)) return null;
  const compared = `it gave ${shown(error.actual)} and not ${shown(error.expected)}`;
  return error.generatedMessage ? compared : `${error.message.split("\n", 1)[0]}: ${compared}`;
}
