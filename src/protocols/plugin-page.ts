/** The pages of plugins, below `/_plugin/<name>/`. */

import type { User } from "./auth";
import type { Html } from "./html";
import type { Words } from "./words";

export interface PluginPage {
  /**
   * Answers a request to an address below `/_plugin/<name>/`, of any method, with its body unread. A throw is logged with the
   * plugin's name and answered by a page that says so; an AppError by its own status and message.
   */
  handle(request: Request, user: User | null, look: Look): Response | Promise<Response>;
}

/** How a plugin's page looks like the others: in their style, light and dark, in the language of who reads it. */
export interface Look {
  /** The texts of the page in the reader's language. */
  readonly words: Words;
  /** A whole page with `body` in it, such as the `html` template makes; by `core.views.pluginPage`. */
  page(content: PluginPageContent, init?: ResponseInit): Response;
  /**
   * An address of this server, from its root on, as a browser is to see it: with the path of `PUBLIC_URL` before it, if there is one.
   * Needed in what a plugin answers without `page` alone: there, and in `location` headers, the server puts it itself, and requests
   * come without it. Other addresses, and those that have the path, are given back as they are.
   */
  path(address: string): string;
}

export interface PluginPageContent {
  readonly title: string;
  readonly body: Html;
  /** More for the document's head, such as a style sheet of `plugins/html/`. */
  readonly head?: Html;
}
