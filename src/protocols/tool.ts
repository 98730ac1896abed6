/**
 * What a model can call. Tools reach the core in a plugin's `tools`, of which a preCall hook may add or take away. How to write one:
 * `docs/tools.md`.
 */

import type { TSchema } from "@sinclair/typebox";
import type { FileInfo, NewFile } from "./file";
import type { ToolCall } from "./model-message";
import type { Turn } from "./turn";

export interface Tool {
  /** 1 to 64 of `a-z A-Z 0-9 _ -`; unique among the tools of a call. */
  readonly name: string;
  /** For the model: what it does and when to use it. */
  readonly description: string;
  /** JSON schema of the arguments, an object. Arguments that do not fit never reach `execute`; the model is told why. */
  readonly parameters: TSchema;
  /** Whether the model is held to the schema while it writes, by endpoints that can; absent = as the endpoint likes. */
  readonly strict?: boolean;
  /**
   * True = wait for the user's yes before each call, for as long as it takes: `timeoutMs` counts from there. Calls whose
   * arguments do not fit are not asked about. A no is a result with `error`, so that the model knows.
   */
  readonly approval?: boolean;
  /** Milliseconds until the call fails; default 60,000. */
  readonly timeoutMs?: number;

  /**
   * Runs one call. As an async function: returns the result. As an async generator: each `yield` is progress shown to the
   * user, `return` is the result. A result that is not a string is given to the model as JSON; one that JSON cannot hold
   * is a failed result that says so. What `toolResult` of `skeleton` makes (a `ToolOutput`) may have files too. A throw is a failed result, its message given to the model; the turn goes on. Stop
   * promptly when `turn.signal` aborts, which here it also does at the time-out.
   */
  // biome-ignore lint/suspicious/noExplicitAny: the type of the arguments is known to the tool alone, by its schema.
  execute(args: any, turn: Turn): Promise<unknown> | AsyncGenerator<unknown, unknown>;
}

/** A result that is more than text, made with `toolResult` of `skeleton`: `return toolResult({ content, files })`. */
export interface ToolOutput {
  /** For the model, as any other result. */
  readonly content: unknown;
  /**
   * Kept as the user's, up to 50 of a call, and shown in the chat; pictures are given to models that see, and the model is told the link of
   * each. What cannot be kept, for want of room or by its size, is said in the result.
   */
  readonly files?: readonly NewFile[];
  /** True = the call failed, and `content` says why. */
  readonly isError?: boolean;
}

/** Tools that come and go while their plugin runs, such as those of servers that it talks to: `tools/mcp.ts` of the library has one. */
export interface ToolSource {
  /**
   * The tools that can be called now; asked before each model call, so it must be quick. One that another plugin has the name of, or
   * that is no tool, is left out and named in the log.
   */
  list(): readonly Tool[];
  /** Resolves when the list is as complete as it will soon be. A model call waits for it, 10 seconds at most. */
  ready?(): Promise<void>;
  /** Why tools are missing now, in sentences for administrators, who see them on their page. */
  missing?(): readonly string[];
}

/** Progress and outcome of a call: any number of updates, then the files of its result, then exactly one result. */
export type ToolEvent =
  | { readonly type: "toolUpdate"; readonly callId: string; readonly name: string; readonly content: string }
  | { readonly type: "file"; readonly callId: string; readonly file: FileInfo }
  | ToolResult;

export type ToolResult = { readonly type: "toolResult"; readonly callId: string; readonly name: string } & (
  | { readonly result: string }
  | { readonly error: string }
);

/** `core.tools`: the tools of all plugins, and the one place where a tool is run. Not replaceable; wrap a tool instead. */
export interface Tools {
  /** Tools to offer in a turn, in the plugins' order, with those that sources have at this moment. */
  list(turn: Turn): Promise<readonly Tool[]>;

  /**
   * Runs one call on the tool of that name among `tools`.
   *
   * Contract: never throws. An unknown name, broken or unfitting arguments, a no of the user, a throw, a time-out and an
   * abort are results with `error`. Ends with exactly one `toolResult`.
   */
  run(call: ToolCall, tools: readonly Tool[], turn: Turn): AsyncIterable<ToolEvent>;
}
