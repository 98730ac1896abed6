/**
 * Making the first administrator, by a link that only the server's own output shows. The token lives in memory: it is dead
 * after use and after a restart, and useless once there is any user.
 */

import { Elysia, t } from "elysia";
import { AppError, HTTP_STATUS, isAppError } from "../basics/errors";
import { isSameSecret } from "../basics/secret";
import type { AuthSetup, Core } from "../protocols";
import { sentenceOf } from "./failure";
import { TokenAnswer } from "./json";
import { answers, form as formBody, json, page, takes } from "./openapi";
import { pageData } from "./page-data";
import { bounded } from "./read";
import { wordsFor } from "./reader";
import { htmlResponse, seeOther, wantsPage, withCookies } from "./respond";
import { admit } from "./sign-in";

const NewAdmin = t.Object({ token: t.String(), username: t.String(), password: t.String() });

/** What the built-in `auth` takes; it says itself what is wrong with another one. */
const Described = t.Object({
  token: t.String(),
  username: t.String({
    minLength: 1,
    maxLength: 64,
    pattern: "^[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]*[^\\s\\x00-\\x1f\\x7f-\\x9f])?$",
    description: "Without control characters, and without a space at its ends.",
  }),
  password: t.String({ minLength: 8, description: "Up to 4,096 bytes." }),
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
    .get(
      "/setup",
      async ({ query, request }) => {
        await requireToken(query.token ?? "");
        return htmlResponse(form(request, "", null));
      },
      { query: t.Object({ token: t.Optional(t.String()) }), detail: answers(page, 404) },
    )
    .post(
      "/setup",
      async ({ body: { token: given, username, password }, request, server, set }) => {
        const setup = await requireToken(given);
        try {
          const user = await setup.createAdmin(username, password);
          token = null;
          const { token: created, cookies } = await admit(core, request, server, user);
          if (wantsPage(request)) return withCookies(seeOther("/"), cookies);
          set.headers["set-cookie"] = [...cookies];
          return { access_token: created, token_type: "bearer" };
        } catch (error) {
          if (!wantsPage(request) || !isAppError(error)) throw error;
          return htmlResponse(
            form(request, username, sentenceOf(error, wordsFor(core, request))),
            HTTP_STATUS[error.code],
          );
        }
      },
      {
        ...bounded(NewAdmin),
        detail: {
          ...takes({ ...json(Described), ...formBody(Described) }),
          ...answers(json(TokenAnswer), 303, 404, 409),
        },
      },
    );
}
