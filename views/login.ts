/** The pages without a chat: sign in, make the first administrator, say what went wrong. */

import type { ErrorData, Html, LoginData, SetupData } from "../src/protocols";
import { html } from "./html";
import { layout } from "./page";

export function loginPage(form: LoginData): Html {
  return card(
    form,
    "Sign in",
    html`<form method="post" action="/login">
${notice(form.error)}
<input type="hidden" name="next" value="${form.next}">
${field("username", "Name", form.username, "username")}
${field("password", "Password", "", "current-password")}
<button class="primary">Sign in</button>
</form>`,
  );
}

export function setupPage(form: SetupData): Html {
  return card(
    form,
    "Make the first administrator",
    html`<form method="post" action="/setup">
${notice(form.error)}
<p>This link works once. Other people are added with the <code>users</code> command.</p>
<input type="hidden" name="token" value="${form.token}">
${field("username", "Name", form.username, "username")}
${field("password", "Password", "", "new-password")}
<button class="primary">Create and sign in</button>
</form>`,
  );
}

export function errorPage(error: ErrorData): Html {
  return card(
    error,
    TITLES[error.status] ?? "Something went wrong",
    html`<p>${error.detail}</p>
<p><a href="/">Back to the chats</a></p>`,
  );
}

const TITLES: Readonly<Record<number, string>> = {
  400: "That cannot be done",
  401: "Please sign in",
  403: "Not allowed",
  404: "Not found",
  429: "Too often",
  503: "Not now",
};

function card(page: LoginData | SetupData | ErrorData, title: string, content: Html): Html {
  return layout({
    ...page,
    title,
    name: "plain",
    body: html`<main class="card"><h1>${title}</h1>
${content}
</main>`,
  });
}

function notice(error: string | null): Html | null {
  return error === null ? null : html`<p class="error" role="alert">${error}</p>`;
}

function field(name: "username" | "password", label: string, value: string, autocomplete: string): Html {
  return html`<label for="${name}">${label}</label>
<input id="${name}" name="${name}" type="${name === "password" ? "password" : "text"}" value="${value}" autocomplete="${autocomplete}" autocapitalize="none" spellcheck="false" required>`;
}
