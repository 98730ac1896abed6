/** An address that speaks OpenAI's protocol, and what the owner says of it. */

import type { JsonObject, ModelInfo } from "../../protocols";

export interface Endpoint {
  /** Of the owner; shown to people. */
  readonly name: string;
  /** Without a slash at the end. */
  readonly baseUrl: string;
  /** Null = requests carry none. Secret. */
  readonly apiKey: string | null;
  /** Models that are offered without asking, with what is known of them. */
  readonly models: readonly ModelInfo[];
  /** Whether the endpoint is asked for its list. */
  readonly isAsked: boolean;
  /** Of every model of the endpoint. */
  readonly parameters: JsonObject;
  /** Names of parameters that users with a model mask may set for any of its models. */
  readonly allowParameters?: readonly string[];
  /** True = nobody configured it: that it does not answer is no news. */
  readonly isGuess: boolean;
}
