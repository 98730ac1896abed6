/** The pages without a chat: sign in, make the first administrator, say what went wrong. */

import type { ErrorData, Html, LoginData, PageData, SetupData, Words } from "../src/protocols";
import { html } from "./html";
import { layout } from "./page";

export function loginPage(form: LoginData, words: Words): Html {
  return card(
    form,
    words,
    words.signIn.signIn,
    html`<form method="post" action="/login" enctype="${form.draft ? "multipart/form-data" : "application/x-www-form-urlencoded"}">
${notice(form.error)}
<input type="hidden" name="next" value="${form.next}">
${form.draft && html`<input type="hidden" name="draft" value="${form.draft}">`}
${field("username", words.signIn.name, form.username, "username")}
${field("password", words.signIn.password, "", "current-password")}
<button class="primary">${words.signIn.signIn}</button>
</form>
${form.toCopy && textToCopy(form.toCopy, words)}`,
  );
}

export function setupPage(form: SetupData, words: Words): Html {
  return card(
    form,
    words,
    words.signIn.setup,
    html`<form method="post" action="/setup">
${notice(form.error)}
<p>${words.signIn.setupDetail}</p>
<input type="hidden" name="token" value="${form.token}">
${field("username", words.signIn.name, form.username, "username")}
${field("password", words.signIn.password, "", "new-password")}
<button class="primary">${words.signIn.create}</button>
</form>`,
  );
}

export function errorPage(error: ErrorData, words: Words): Html {
  return card(
    error,
    words,
    words.errors.title(error.status),
    html`<p>${error.detail}</p>
<p><a href="/">${words.errors.back}</a></p>`,
  );
}

function card(page: PageData, words: Words, title: string, content: Html): Html {
  return layout({
    page,
    words,
    title,
    name: "plain",
    body: html`<main class="card"><h1>${title}</h1>
${content}
</main>`,
  });
}

/** Without a name, so that no form sends it. */
function textToCopy(text: string, words: Words): Html {
  return html`<label for="to-copy">${words.signIn.yourText}</label>
<textarea id="to-copy" rows="10" readonly>
${text}</textarea>`;
}

function notice(error: string | null): Html | null {
  return error === null ? null : html`<p class="error" role="alert">${error}</p>`;
}

function field(name: "username" | "password", label: string, value: string, autocomplete: string): Html {
  return html`<label for="${name}">${label}</label>
<input id="${name}" name="${name}" type="${name === "password" ? "password" : "text"}" value="${value}" autocomplete="${autocomplete}" autocapitalize="none" spellcheck="false" required>`;
}
