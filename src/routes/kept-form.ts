/**
 * A message that was sent by a form after the session had ended: whoever wrote it signs in on the page that answers, which
 * carries the text along, and finds it where it was written; a text that is too long for that is shown there, to be copied. With script the text never leaves the page, see chat.js.
 */

import { boundBody } from "../basics/body";
import type { Core, User } from "../protocols";
import { loadChat } from "./page/chat-data";
import { plainText, readForm } from "./page/form";
import { pageData } from "./page-data";
import { wordsFor, zoneOf } from "./reader";
import { htmlResponse, wantsPage } from "./respond";
import { urlOf } from "./url";

const PLACE = /^\/t(?:\/([^/]+)\/(messages|edit))?$/;
const KIB = 1024;
const READ_MAX_BYTES = 320 * KIB; // The longest text of a message, of characters of three bytes each, and some fields around it.
const CARRIED_MAX_BYTES = 12 * KIB; // Beside name and password in the 16 KiB that a sign-in may have.

/** The page to sign in; null when the request is none that has a text to keep. */
export async function signInAgain(core: Core, request: Request): Promise<Response | null> {
  const { pathname = "", searchParams } = urlOf(request) ?? {};
  const place = PLACE.exec(pathname);
  const isForm = request.method === "POST" && wantsPage(request) && !request.headers.has("hx-request");
  // Nobody knows who sends it, so little is read of it.
  if (!place || !isForm || !(Number(request.headers.get("content-length") ?? Infinity) <= READ_MAX_BYTES)) return null;
  boundBody(request, { bytes: READ_MAX_BYTES, parts: 0 });
  const field = await readForm(request).catch(() => null); // It is refused anyway.
  const draft = field?.("content");
  if (!draft) return null;
  const [, id, kind] = place;
  const edited = kind === "edit" ? `?edit=${encodeURIComponent(searchParams?.get("message") ?? "")}` : "";
  const next = id === undefined ? "/" : `/t/${id}${edited}`;
  const words = wordsFor(core, request);
  const { expired, expiredLong, chooseAgain } = words.signIn;
  // A form sends a line break as two bytes.
  const isLong =
    draft.length > CARRIED_MAX_BYTES || Buffer.byteLength(draft.replace(/\r?\n/g, "\r\n")) > CARRIED_MAX_BYTES;
  const said = isLong ? expiredLong : expired;
  const error = field?.files("files").length ? `${said} ${chooseAgain}` : said;
  const kept = isLong ? { toCopy: plainText(draft) } : { draft };
  const form = { ...pageData(core, null), username: "", error, next, ...kept };
  return htmlResponse(core.views.loginPage(form, words), 401);
}

/** The page `next` with the text in it. A chat that another account signed in to see is a new one. */
export async function pageWithDraft(core: Core, request: Request, returned: Returned): Promise<Response> {
  const { user, next, draft } = returned;
  const reader = { user, words: wordsFor(core, request), zone: zoneOf(request) };
  const { pathname, searchParams } = new URL(next, "http://localhost");
  const threadId = /^\/t\/([^/]+)$/.exec(pathname)?.[1] ?? null;
  const edit = searchParams.get("edit");
  const asked = edit ? { window: { edit }, editDraft: draft } : { draft };
  const chat =
    (await loadChat(core, reader, { threadId, ...asked })) ?? (await loadChat(core, reader, { threadId: null, draft }));
  if (!chat) throw new Error("There is always a new chat.");
  return htmlResponse(core.views.chatPage(chat, reader.words));
}

interface Returned {
  readonly user: User;
  /** A path of this server. */
  readonly next: string;
  readonly draft: string;
}
