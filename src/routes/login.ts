/**
 * Signing in and out: for programs, JSON in and out; for the page's form, a redirect, or the form again with what was wrong.
 */

import { Elysia, t } from "elysia";
import { HTTP_STATUS, isAppError } from "../errors";
import type { Core, LoginData, PageData } from "../protocols";
import { sentenceOf } from "./failure";
import { TokenAnswer } from "./json";
import { pageWithDraft } from "./kept-form";
import { answers, form as formBody, json, page, takes } from "./openapi";
import { pageData } from "./page-data";
import { bounded } from "./read";
import { wordsFor } from "./reader";
import { htmlResponse, ownPath, seeOther, wantsPage } from "./respond";
import { addressOf, findUser, sessionCookie } from "./session";
import { signIn } from "./sign-in";

const Credentials = t.Object({
  username: t.String(),
  password: t.String(),
  next: t.Optional(t.String({ description: "Of the form: the path to go to." })),
  draft: t.Optional(t.String({ description: "Of the form: a text to find there." })),
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
        const address = addressOf(core, request, server);
        if (!wantsPage(request)) {
          const { token } = await signIn(core, username, password, address);
          set.headers["set-cookie"] = sessionCookie(core, request, token);
          return { access_token: token, token_type: "bearer" };
        }
        const [next, draft] = [ownPath(asked.next), asked.draft];
        try {
          const { user, token } = await signIn(core, username, password, address);
          const cookie = sessionCookie(core, request, token);
          if (draft) return pageWithDraft(core, request, { user, cookie, next, draft });
          return seeOther(next, { "set-cookie": cookie });
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
      ({ request, set }) => {
        const cookie = sessionCookie(core, request, null);
        if (wantsPage(request)) return leave(core.auth.signOutUrl?.() ?? "/login", { "set-cookie": cookie });
        set.headers["set-cookie"] = cookie;
        return { status: "signed out" };
      },
      { detail: answers(json(t.Object({ status: t.Literal("signed out") })), 303) },
    );
}

/** Our own pages' policy lets a form lead to this server alone, redirects included; a refresh is none. */
function leave(address: string, headers: Record<string, string>): Response {
  if (ownPath(address) === address) return seeOther(address, headers);
  return new Response(null, { headers: { refresh: `0; url=${address}`, ...headers } });
}
