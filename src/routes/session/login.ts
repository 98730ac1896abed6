/**
 * Signing in and out: for programs, JSON in and out; for the page's form, a redirect, or the form again with what was wrong. The first administrator
 * is made by a link that only the server's own output shows; its token lives in memory, dead after use and after a restart, and useless once there
 * is any user. A message that was sent by a form after the session had ended is carried along to the page that follows; a text that is too long for
 * that is shown, to be copied. With script the text never leaves the page, see chat.js.
 */

import { Elysia, t } from "elysia";
import { boundBody } from "../../basics/body";
import { AppError, errorOf, HTTP_STATUS, isAppError } from "../../basics/errors";
import { PASSWORD_MAX_BYTES, PASSWORD_MIN, USER_NAME_MAX } from "../../basics/limits";
import { isSameSecret } from "../../basics/secret";
import { KIB } from "../../basics/size";
import type { AuthSetup, Core, Html, LoginData, PageData, User } from "../../protocols";
import { TokenAnswer } from "../api/json";
import { answers, formBody, json, page, takes } from "../api/openapi";
import { ownPath, publicPath, urlOf } from "../http/address";
import { pageData } from "../http/assets";
import { sentenceOf } from "../http/failure";
import { htmlResponse, PAGE_HEADERS, seeOther, wantsPage } from "../http/respond";
import { loadChat } from "../page/chat-data";
import { plainText, readForm } from "../page/form";
import { bounded } from "./gate";
import { endedCookies, findUser, ownOrigin, readerOf, session, tokensOf, wordsFor } from "./session";
import { admit, type SignedIn, signIn } from "./sign-in";

/** The largest body of a sign-in or a set-up, which anybody may send. */
const FORM_MAX_BYTES = 16 * KIB;
const ANYBODY = { public: true, bodyMax: { json: FORM_MAX_BYTES, form: FORM_MAX_BYTES } } as const;

const Credentials = t.Object({
  username: t.String(),
  password: t.String(),
  next: t.Optional(t.String({ description: "Of the form: the path to go to." })),
  draft: t.Optional(t.String({ description: "Of the form: a text to find there." })),
});

const SignedOut = t.Object({
  status: t.Literal("signed out"),
  ended: t.Boolean({ description: "False when a token that was sent goes on until it expires." }),
});

export function loginRoutes(core: Core) {
  const form = (request: Request, asked: Omit<LoginData, keyof PageData>) =>
    core.views.loginPage({ ...pageData(core, null), ...asked }, wordsFor(core, request));
  return new Elysia()
    .use(session(core))
    .get(
      "/login",
      async ({ query, request }) => {
        const next = ownPath(query.next);
        if (await findUser(core, request)) return seeOther(next);
        return htmlResponse(form(request, { username: "", error: null, next }));
      },
      { public: true, query: t.Object({ next: t.Optional(t.String()) }), detail: answers(page, 303) },
    )
    .post(
      "/login",
      ({ body: { username, password, draft, ...asked }, request, server, set }) => {
        const next = ownPath(asked.next);
        return letIn(core, { request, set }, () => signIn(core, request, server, { username, password }), {
          page: ({ user }) => (draft ? pageWithDraft(core, request, { user, next, draft }) : seeOther(next)),
          again: (error) => form(request, { username, error, next, ...(draft && { draft }) }),
        });
      },
      {
        ...ANYBODY,
        ...bounded(Credentials),
        detail: {
          ...takes({ ...json(Credentials), ...formBody(Credentials) }),
          ...answers({ ...json(TokenAnswer), ...page }, 303, 401, 429),
        },
      },
    )
    .post(
      "/logout",
      async ({ request, set }) => {
        const ended = await endTokens(core, request);
        set.headers["set-cookie"] = endedCookies(core, request);
        if (!wantsPage(request)) return { status: "signed out", ended };
        const elsewhere = core.auth.signOutUrl?.() ?? null;
        if (elsewhere !== null) return leave(core, request, elsewhere);
        if (ended) return seeOther("/login");
        const error = wordsFor(core, request).signIn.sessionLasts;
        return htmlResponse(form(request, { username: "", error, next: "/" }));
      },
      { ...ANYBODY, detail: answers({ ...json(SignedOut), ...page }, 303) },
    );
}

interface LoginAnswers {
  /** For a browser that is signed in now. */
  page(signedIn: SignedIn): Response | Promise<Response>;
  /** The form again, with what was wrong and the name kept. */
  again(error: string): Html;
}

interface LoginContext {
  readonly request: Request;
  readonly set: { readonly headers: { "set-cookie"?: string | string[] } };
}

/** Opens a session, and answers a program with its token, a browser with a page. What is unexpected is the app's to catch. */
async function letIn(
  core: Core,
  { request, set }: LoginContext,
  enter: () => Promise<SignedIn>,
  { page, again }: LoginAnswers,
) {
  const isBrowser = wantsPage(request);
  try {
    const signedIn = await enter();
    const answer = isBrowser ? await page(signedIn) : { access_token: signedIn.token, token_type: "bearer" };
    set.headers["set-cookie"] = [...signedIn.cookies];
    return answer;
  } catch (error) {
    if (!isBrowser || !isAppError(error)) throw error;
    return htmlResponse(again(sentenceOf(error, wordsFor(core, request))), HTTP_STATUS[error.code]);
  }
}

/** Ends what the request was signed in by. False when something of it lasts, and whoever signs out should know. */
async function endTokens(core: Core, request: Request): Promise<boolean> {
  let areEnded = true;
  for (const token of tokensOf(core, request)) {
    try {
      if (core.auth.endToken) await core.auth.endToken(token);
      else if (await core.auth.verifyToken(token)) areEnded = false;
    } catch (error) {
      // The cookie should go all the same, on a full disk too.
      core.log.error("A token could not be ended", { error: errorOf(error) });
      areEnded = false;
    }
  }
  return areEnded;
}

/** Our own pages' policy lets a form lead to this server alone, redirects included; a refresh is none. */
function leave(core: Core, request: Request, address: string): Response {
  // A path is one of the host, and not below that of PUBLIC_URL: it is the proxy that has it.
  const before = publicPath(core.config) === "" ? "" : ownOrigin(core, request);
  if (ownPath(address) === address) return seeOther(before + address);
  return new Response(null, { headers: { ...PAGE_HEADERS, refresh: `0; url=${address}` } });
}

const NewAdmin = t.Object({ token: t.String(), username: t.String(), password: t.String() });

/** The fields as the built-in `auth` takes them; it says itself what is wrong with others. */
const Described = t.Object({
  token: t.String(),
  username: t.String({
    minLength: 1,
    maxLength: USER_NAME_MAX,
    pattern: "^[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]*[^\\s\\x00-\\x1f\\x7f-\\x9f])?$",
    description: "Without control characters, and without a space at its ends.",
  }),
  password: t.String({
    minLength: PASSWORD_MIN,
    description: `Up to ${PASSWORD_MAX_BYTES.toLocaleString("en")} bytes.`,
  }),
});

/** `token` is null when there is nothing to set up. */
export function setupRoutes(core: Core, setupToken: string | null) {
  let token = setupToken;
  const requireToken = async (given: string): Promise<AuthSetup> => {
    const { setup } = core.auth;
    if (!setup || token === null || !isSameSecret(given, token) || !(await setup.needed())) {
      throw new AppError("notFound", "This set-up link is not valid any more. Restart the server for another one.");
    }
    return setup;
  };
  const form = (request: Request, username: string, error: string | null) =>
    core.views.setupPage({ ...pageData(core, null), token: token ?? "", username, error }, wordsFor(core, request));
  return new Elysia()
    .use(session(core))
    .get(
      "/setup",
      async ({ query, request }) => {
        await requireToken(query.token ?? "");
        return htmlResponse(form(request, "", null));
      },
      { public: true, query: t.Object({ token: t.Optional(t.String()) }), detail: answers(page, 404) },
    )
    .post(
      "/setup",
      async ({ body: { token: given, username, password }, request, server, set }) => {
        const setup = await requireToken(given);
        const enter = async () => {
          const user = await setup.createAdmin(username, password);
          token = null;
          return admit(core, request, server, user);
        };
        return letIn(core, { request, set }, enter, {
          page: () => seeOther("/"),
          again: (error) => form(request, username, error),
        });
      },
      {
        ...ANYBODY,
        ...bounded(NewAdmin),
        detail: {
          ...takes({ ...json(Described), ...formBody(Described) }),
          ...answers(json(TokenAnswer), 303, 404, 409),
        },
      },
    );
}

const PLACE = /^\/t(?:\/([^/]+)\/(messages|edit))?$/;
const READ_MAX_BYTES = 320 * KIB; // The longest text of a message, of characters of three bytes each, and some fields around it.
const CARRIED_MAX_BYTES = FORM_MAX_BYTES - 4 * KIB; // Beside name and password.

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
async function pageWithDraft(core: Core, request: Request, returned: Returned): Promise<Response> {
  const { user, next, draft } = returned;
  const reader = readerOf(core, request, user);
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
