/**
 * `#threads`: the list of chats, or what a search found. When the live channel says that something changed, it fetches itself again
 * with its search, its filter and as far as it is shown; an entry that is being edited stays as it is.
 */

import { pageIds } from "../src/basics/page-ids";
import type {
  Html,
  Thread,
  ThreadFilter,
  ThreadItemData,
  ThreadListData,
  ViewsProtocol,
  Words,
} from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";

export function threadList(list: ThreadListData, words: Words, views: ViewsProtocol): Html {
  // What a search found does not change by what is written.
  const heard = ["threads-reload", "threads-changed", ...(list.query ? [] : ["threads-active"])];
  return html`<nav id="threads" class="threads" aria-label="${words.chat.chats}" hx-get="/threads" hx-include="#search, #threads > [name], #list-end [name], #threads [name=change]" hx-trigger="${heard.map((event) => `${event} from:body`).join(", ")}" hx-swap="outerMorph" hx-sync="#search:queue last">
<input type="hidden" name="current" value="${list.currentId}">
${list.filter.archived && html`<input type="hidden" name="archived" value="true">`}${list.filter.tag !== null && html`<input type="hidden" name="tag" value="${list.filter.tag}">`}
${list.query ? found(list, words, views) : html`${filterMenu(list, words)}<ul>${views.threadItems(list, words)}</ul>`}
</nav>`;
}

/** A page of the list and the way to the next. */
export function threadItems(list: ThreadListData, words: Words, views: ViewsProtocol): Html {
  const entry = (thread: Thread) => {
    const item = itemOf(list, thread);
    return thread.id === list.editedId ? views.threadForm(item, words) : views.threadItem(item, words);
  };
  const groups = list.groups.map(
    ({ id, threads, isContinued }) => html`${!isContinued && views.threadGroup(id, words)}${threads.map(entry)}`,
  );
  return html`${groups}${end(list, words)}`;
}

/** `shown` says how much to fetch when the list is made anew. */
function end({ before, filter, currentId, shown, groups }: ThreadListData, words: Words): Html {
  const count = html`<input type="hidden" name="shown" value="${shown}">`;
  if (before === null)
    return html`<li id="list-end" class="end">${count}${groups.length === 0 && html`<p class="nothing">${words.list.nothingHere}</p>`}</li>`;
  const next = queryOf(filter, { list: before, shown: String(shown) });
  return html`<li id="list-end" class="end more" hx-get="/threads${next}&current=${currentId ?? ""}" hx-trigger="revealed" hx-swap="outerHTML" hx-sync="#search:queue last"><a href="${next}">${words.list.more}</a>${count}</li>`;
}

export function threadGroup(id: string, words: Words): Html {
  const { pinned, today, yesterday, thisWeek } = words.list;
  const names: Readonly<Record<string, string>> = { pinned, today, yesterday, week: thisWeek };
  return html`<li id="${pageIds.group(id)}" class="group"><h2>${names[id] ?? words.month(id)}</h2></li>`;
}

export function threadItem(item: ThreadItemData, words: Words): Html {
  const { thread, isCurrent, isRunning, hit, filter, query } = item;
  const title = thread.title || words.chat.newChat;
  const edit = queryOf(filter, { q: query, change: thread.id });
  return html`<li id="${itemId(item)}" class="thread"><a class="open" href="${addressOf(item)}" ${isCurrent && html`aria-current="page"`}><span class="name" dir="auto">${title}</span>${
    isRunning
      ? html`<span class="running" title="${words.messages.writing}"><span class="for-reader">${words.messages.writing}</span></span>`
      : isUnseen(item) &&
        html`<span class="unseen" title="${words.list.unseen}"><span class="for-reader">${words.list.unseen}</span></span>`
  }${thread.pinned && html`<span class="pin">${icon("pin")}</span>`}${
    hit && hit.messageId !== undefined && html`<span class="snippet" dir="auto">${snippet(hit.snippet)}</span>`
  }</a><a class="icon-button change" href="${edit}" hx-get="/threads/${thread.id}${edit}" hx-include="#threads [name=current]" hx-target="closest .thread" hx-swap="outerHTML" hx-sync="#search:replace" aria-label="${words.list.change(title)}" title="${words.list.change(title)}">${icon("more")}</a></li>`;
}

/** Where a hit stands. The script marks its words there. */
function addressOf({ thread, hit, query }: ThreadItemData): string {
  if (hit?.messageId === undefined) return `/t/${thread.id}`;
  const asked = new URLSearchParams({ at: hit.messageId, ...(query !== "" && { mark: query }) });
  return `/t/${thread.id}?${asked}#${encodeURIComponent(pageIds.message(hit.messageId))}`;
}

function isUnseen({ thread: { metadata, headId }, isCurrent }: ThreadItemData): boolean {
  return !isCurrent && typeof metadata.seen === "string" && metadata.seen !== headId;
}

/** Of the list of all, or of another one. */
function itemId({ thread, filter, hit }: ThreadItemData): string {
  return pageIds.entry(thread.id, !hit && !isFiltered(filter));
}

export function threadForm({ thread, filter, query, hit }: ThreadItemData, words: Words): Html {
  const path = `/t/${thread.id}`;
  const back = queryOf(filter, { q: hit ? query : "" });
  // An answer that was on its way, and still has the form, must not come after this one's.
  const include = html`hx-include="#search, #threads > [name], #list-end [name]" hx-sync="#search:replace"`;
  const moving = thread.archived ? "restore" : "archive";
  return html`<li id="${pageIds.entryForm(thread.id)}" class="thread-form" hx-morph-skip><form method="post" action="${path}/details" hx-post="${path}/details" ${include} hx-swap="none">
<input type="hidden" name="change" value="${thread.id}"><input type="hidden" name="back" value="${back}">
<label>${words.list.title}<input name="title" value="${thread.title}" maxlength="500" autocomplete="off" dir="auto" required autofocus></label>
<label>${words.list.tags}<input name="tags" value="${thread.tags.join(", ")}" placeholder="${words.list.tagsHint}" maxlength="1200" autocomplete="off" dir="auto"></label>
<label class="check"><input type="checkbox" name="pinned" ${thread.pinned && html`checked`}>${words.list.pin}</label>
<div class="buttons"><button class="quiet">${words.list.save}</button><button class="quiet" formaction="${path}/${moving}" formnovalidate hx-post="${path}/${moving}" ${include} hx-swap="none">${thread.archived ? words.chat.restore : words.chat.archive}</button><a class="cancel" href="${back || "?"}" hx-get="/threads" ${include} hx-target="#threads" hx-swap="outerMorph">${words.list.cancel}</a></div>
</form></li>`;
}

export function searchForm({ query }: ThreadListData, words: Words): Html {
  return html`<form id="search" class="search" role="search" method="get" hx-get="/threads" hx-include="#threads > [name]" hx-trigger="input delay:150ms, submit" hx-target="#threads" hx-swap="outerMorph" hx-sync="this:replace">${icon("search")}<input type="search" name="q" accesskey="k" value="${query}" placeholder="${words.list.search}" aria-label="${words.list.searchInChats}" maxlength="500" autocomplete="off" dir="auto"></form>`;
}

function found(list: ThreadListData, words: Words, views: ViewsProtocol): Html {
  if (list.hits.length === 0) return html`<p class="nothing" role="status">${words.list.nothingFound(list.query)}</p>`;
  const items = list.hits.map((hit) => {
    const item = { ...itemOf(list, hit.thread), hit };
    return hit.thread.id === list.editedId ? views.threadForm(item, words) : views.threadItem(item, words);
  });
  return html`<ul>${items}</ul>`;
}

function itemOf({ currentId, runningIds, filter, query }: ThreadListData, thread: Thread): ThreadItemData {
  const isRunning = runningIds.includes(thread.id);
  return { thread, isCurrent: thread.id === currentId, isRunning, filter, hit: null, query };
}

function isFiltered({ archived, tag }: ThreadFilter): boolean {
  return archived || tag !== null;
}

/** The words found stand between U+0002 and U+0003. */
function snippet(text: string): readonly Html[] {
  return text.split("\u0002").map((piece, index) => {
    const [word = "", rest = ""] = piece.split("\u0003");
    return index === 0 ? html`${piece}` : html`<mark>${word}</mark>${rest}`;
  });
}

/** What the list shows: all, those of a tag, or archived ones. A menu of links, so that it works without script. */
function filterMenu({ filter, tags }: ThreadListData, words: Words): Html {
  const shown = filter.archived ? words.list.archived : (filter.tag ?? words.list.all);
  const link = (to: ThreadFilter, label: string) => {
    const isChosen = to.archived === filter.archived && to.tag === filter.tag;
    const query = queryOf(to, {}) || "?";
    return html`<li><a href="${query}" hx-get="/threads${query}" hx-include="#threads [name=current]" hx-target="#threads" hx-swap="outerHTML" hx-push-url="${query}" class="${isChosen ? "chosen" : ""}"><span dir="auto">${label}</span></a></li>`;
  };
  return html`<details class="filter"><summary aria-label="${words.list.show}: ${shown}"><span dir="auto">${shown}</span>${icon("chevron")}</summary><ul>${link({ archived: false, tag: null }, words.list.all)}${tags.map(
    (tag) => link({ archived: false, tag }, tag),
  )}${link({ archived: true, tag: null }, words.list.archived)}</ul></details>`;
}

/** The address of the same page with this filter; empty when there is nothing to say. */
function queryOf({ archived, tag }: ThreadFilter, more: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams({ ...(archived && { archived: "true" }), ...(tag !== null && { tag }) });
  for (const [name, value] of Object.entries(more)) if (value !== "") query.set(name, value);
  return query.size === 0 ? "" : `?${query}`;
}
