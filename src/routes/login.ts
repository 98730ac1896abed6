/**
 * Signing in and out: for programs, JSON in and out; for the page's form, a redirect, or the form again with what was wrong.
 */

import { Elysia, t } from "elysia";
import { errorOf, HTTP_STATUS, isAppError } from "../basics/errors";
import type { Core, LoginData, PageData } from "../protocols";
import { sentenceOf } from "./failure";
import { TokenAnswer } from "./json";
import { pageWithDraft } from "./kept-form";
import { answers, form as formBody, json, page, takes } from "./openapi";
import { pageData } from "./page-data";
import { bounded } from "./read";
import { wordsFor } from "./reader";
import { htmlResponse, ownPath, PAGE_HEADERS, seeOther, wantsPage, withCookies } from "./respond";
import { endedCookies, findUser, ownOrigin, tokensOf } from "./session";
import { signIn } from "./sign-in";
import { publicPath } from "./url";

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
    .get(
      "/login",
      async ({ query, request }) => {
        const next = ownPath(query.next);
        if (await findUser(core, request)) return seeOther(next);
        return htmlResponse(form(request, { username: "", error: null, next }));
      },
      { query: t.Object({ next: t.Optional(t.String()) }), detail: answers(page, 303) },
    )
    .post(
      "/login",
      async ({ body: { username, password, ...asked }, request, server, set }) => {
        const enter = () => signIn(core, request, server, { username, password });
        if (!wantsPage(request)) {
          const { token, cookies } = await enter();
          set.headers["set-cookie"] = [...cookies];
          return { access_token: token, token_type: "bearer" };
        }
        const [next, draft] = [ownPath(asked.next), asked.draft];
        try {
          const { user, cookies } = await enter();
          const shown = draft ? await pageWithDraft(core, request, { user, next, draft }) : seeOther(next);
          return withCookies(shown, cookies);
        } catch (error) {
          // The form again, with the name kept; anything unexpected is the app's to catch.
          if (!isAppError(error)) throw error;
          const again = { username, error: sentenceOf(error, wordsFor(core, request)), next, ...(draft && { draft }) };
          return htmlResponse(form(request, again), HTTP_STATUS[error.code]);
        }
      },
      {
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
        const cookies = endedCookies(core, request);
        if (!wantsPage(request)) {
          set.headers["set-cookie"] = cookies;
          return { status: "signed out", ended };
        }
        const elsewhere = core.auth.signOutUrl?.() ?? null;
        if (ended || elsewhere !== null)
          return withCookies(elsewhere === null ? seeOther("/login") : leave(core, request, elsewhere), cookies);
        const error = wordsFor(core, request).signIn.sessionLasts;
        return withCookies(htmlResponse(form(request, { username: "", error, next: "/" })), cookies);
      },
      { detail: answers({ ...json(SignedOut), ...page }, 303) },
    );
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
