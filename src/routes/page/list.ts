/**
 * The list of chats as fragments, and what is done to its entries. A form's answer is the list made anew, so that it shows the
 * effect even where the live channel cannot place it.
 */

import { Elysia, t } from "elysia";
import { AppError } from "../../basics/errors";
import type { Core, Html, ThreadFields, ThreadState } from "../../protocols";
import { partial } from "../partial";
import { insidePath } from "../public-path";
import type { Reader } from "../reader";
import { htmlResponse, ownPath, seeOther } from "../respond";
import { session } from "../session";
import { form, Id, isFromHtmx, readForm } from "./form";
import { type ListRequest, loadThreadList } from "./list-data";

/** What the address of a page, or a fragment, says of the list. */
export const ListQuery = {
  q: t.Optional(t.String({ maxLength: 500 })),
  archived: t.Optional(t.String()),
  tag: t.Optional(t.String()),
  change: t.Optional(t.String()),
  list: t.Optional(t.String()),
  shown: t.Optional(t.String({ pattern: "^\\d{0,6}$" })),
};

const FragmentQuery = t.Object({ ...ListQuery, current: t.Optional(t.String()) });

type ListFields = { readonly [name in keyof typeof ListQuery]?: string | undefined };

export function listAsked({ q, archived, tag, change, list, shown }: ListFields): Omit<ListRequest, "currentId"> {
  const common = { query: q, archived: archived === "true", tag, before: list };
  return { ...common, editedId: change || undefined, shown: shown ? Number(shown) : undefined };
}

export function listRoutes(core: Core) {
  return new Elysia()
    .use(session(core))
    .get(
      "/threads",
      async ({ reader, words, query }) => {
        const data = await loadThreadList(core, reader, { ...listAsked(query), currentId: query.current || null });
        if (data.isNextPage) return htmlResponse(core.views.threadItems(data, words));
        const isInstead = query.list !== undefined && { "hx-retarget": "#threads", "hx-reswap": "outerMorph" };
        return htmlResponse(core.views.threadList(data, words), 200, { ...isInstead });
      },
      { reader: true, query: FragmentQuery },
    )
    .get(
      "/threads/:id",
      async ({ reader, params: { id }, query }) => htmlResponse(await editForm(core, reader, id, query)),
      {
        reader: true,
        params: Id,
        query: FragmentQuery,
      },
    )
    .post(
      "/t/:id/details",
      async ({ reader, request, params: { id } }) => {
        const field = await readForm(request);
        const fields = {
          title: titleOf(field("title")),
          tags: field("tags").split(","),
          pinned: field("pinned") !== "",
        };
        return change(core, reader, { request, id, field, fields });
      },
      { ...form, params: Id },
    )
    .post(
      "/t/:id/title",
      async ({ user, request, params: { id } }) => {
        const title = titleOf((await readForm(request))("title"));
        if (!(await core.thread.update(user.username, id, { title }))) throw noChat();
        return isFromHtmx(request) ? new Response(null, { status: 204 }) : seeOther(`/t/${id}`);
      },
      { ...form, params: Id },
    )
    .post(
      "/t/:id/archive",
      async ({ reader, request, params: { id } }) => {
        const field = await readForm(request);
        return change(core, reader, { request, id, field, fields: { archived: true }, otherwise: "/" });
      },
      { ...form, params: Id },
    )
    .post(
      "/t/:id/restore",
      async ({ reader, request, params: { id } }) => {
        const field = await readForm(request);
        return change(core, reader, { request, id, field, fields: { archived: false } });
      },
      { ...form, params: Id },
    );
}

interface ThreadChange {
  readonly request: Request;
  readonly id: string;
  readonly field: (name: string) => string;
  readonly fields: ThreadFields & ThreadState;
  /** Where a page without script goes when the form does not say; default: the thread. */
  readonly otherwise?: string;
}

async function change(
  core: Core,
  reader: Reader,
  { request, id, field, fields, otherwise }: ThreadChange,
): Promise<Response> {
  if (!(await core.thread.update(reader.user.username, id, fields))) throw noChat();
  const back = field("change") === "" ? (otherwise ?? `/t/${id}`) : pageBehind(core, request, field("back"));
  if (!isFromHtmx(request)) return seeOther(back);
  // What is open and was archived or restored looks different all over.
  if (fields.archived !== undefined && field("current") === id) {
    return new Response(null, { status: 204, headers: { "hx-redirect": otherwise ?? `/t/${id}` } });
  }
  const [q, archived, tag, shown] = ["q", "archived", "tag", "shown"].map(field);
  const asked = { ...listAsked({ q, archived, tag, shown }), currentId: field("current") || null };
  const list = core.views.threadList(await loadThreadList(core, reader, asked), reader.words);
  return htmlResponse({ markup: partial("threads", "outerMorph", list) });
}

/** The page on which the form was, with the list as it was. */
function pageBehind({ config }: Core, request: Request, back: string): string {
  const path = insidePath(config, URL.parse(request.headers.get("referer") ?? "")?.pathname ?? "/");
  return ownPath(/^\/(?:t\/[^/]+)?$/.test(path) ? path + back : "/");
}

async function editForm(
  core: Core,
  reader: Reader,
  id: string,
  query: ListFields & { readonly current?: string | undefined },
): Promise<Html> {
  const thread = await core.thread.get(reader.user.username, id);
  if (!thread) throw noChat();
  const { archived = false, tag = null } = listAsked(query);
  const hit = query.q ? { thread, snippet: "" } : null;
  const isCurrent = query.current === id;
  const item = { thread, isCurrent, isRunning: false, filter: { archived, tag }, hit, query: query.q ?? "" };
  return core.views.threadForm(item, reader.words);
}

const TITLE_MAX = 500; // Characters.

function titleOf(text: string): string {
  const title = text.trim().slice(0, TITLE_MAX);
  if (title === "") throw new AppError("invalid", "A chat needs a title.", { reason: "noTitle" });
  return title;
}

function noChat(): AppError {
  return new AppError("notFound", "There is no such chat.", { reason: "noChat" });
}
