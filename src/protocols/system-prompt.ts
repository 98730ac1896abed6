/**
 * `systemPrompt`: named instructions to choose from. Default: `src/core/system-prompt.ts`, on `system_prompts.yaml`. Replace it to keep
 * prompts in a repository or to compute them.
 */

import type { JsonObject } from "./json";

export interface SystemPromptProtocol {
  /** Prompts in display order; always one named `default`. Never throws: the last good ones are kept. */
  list(): Promise<SystemPrompt[]>;

  /** The prompt of that name, or null. */
  get(name: string): Promise<SystemPrompt | null>;
}

export interface SystemPrompt {
  readonly name: string;
  /** For the person who chooses. */
  readonly description: string;
  /** Sent as the first message; empty = no system message. */
  readonly content: string;
  /** Preset model, used when the person chose none. */
  readonly model?: string;
  readonly parameters?: JsonObject;
}
