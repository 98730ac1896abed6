/** An address that speaks OpenAI's protocol, and what the owner says of it. */

import type { JsonObject, ModelInfo } from "../../protocols";

export interface Endpoint {
  /** Of the owner; shown to people. */
  readonly name: string;
  /** May have a query, which stays behind the path of each request. */
  readonly baseUrl: string;
  /** Null = requests carry none. Secret. */
  readonly apiKey: string | null;
  /** Sent with each request, over those of our own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What of the headers nobody may see. */
  readonly secrets?: readonly string[];
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

/** The address of something that the endpoint has, such as `/models`. */
export function addressOf({ baseUrl }: Endpoint, path: string): string {
  const url = new URL(baseUrl);
  url.pathname = url.pathname.replace(/\/+$/, "") + path;
  url.hash = "";
  return url.href;
}
