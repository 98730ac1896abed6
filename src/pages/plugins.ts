/**
 * /_plugin/admin/: what is installed, for administrators: what is wrong with plugins that are not used, the others and what each provides,
 * and who provides each protocol. A plugin like any other, with a button and no script.
 */

import {
  AppError,
  type Core,
  type Html,
  html,
  icon,
  type Plugin,
  type PluginFault,
  type PluginInfo,
  type Words,
} from "skeleton";

export const admin: Plugin = {
  name: "admin",
  access: "admin",
  page: (core) => ({
    async handle(request, _user, look) {
      const { pathname } = new URL(request.url, "http://localhost");
      const path = pathname.replace(/^\/_plugin\/admin/, "");
      if (request.method === "POST" && path === "/reload") {
        await core.plugins.reload();
        // The page is asked for again, so that going back or reloading it does not reload plugins.
        return new Response(null, { status: 303, headers: { location: "/_plugin/admin/" } });
      }
      if (path !== "/") throw new AppError("notFound", "There is nothing at this address.");
      return look.page({ title: look.words.admin.title, body: bodyOf(core, look.words) });
    },
  }),
};

function bodyOf({ plugins }: Core, words: Words): Html {
  const { admin } = words;
  const all = plugins.list();
  const own = all.filter(({ file }) => file !== null);
  const others = all.filter(({ file }) => file === null);
  const missing = all.flatMap(({ name, file, missing }) => missing.map((message) => ({ plugin: name, file, message })));
  const unused = [...plugins.faults(), ...missing];
  return html`<form class="reload" method="post" action="/_plugin/admin/reload"><p>${admin.detail}</p><button class="quiet">${admin.reload}</button></form>
<section aria-labelledby="faults"><h2 id="faults">${admin.faults}</h2>${
    unused.length === 0 ? html`<p>${admin.noFaults}</p>` : html`<ul class="faults">${unused.map(faultItem)}</ul>`
  }</section>
<section aria-labelledby="yours"><h2 id="yours">${admin.yours}</h2>${
    own.length === 0 ? html`<p>${admin.noneYours}</p>` : table(own, admin.yours, words)
  }</section>
<section aria-labelledby="protocols"><h2 id="protocols">${admin.protocols}</h2>${protocolTable(plugins.winners(), own, words)}</section>
<section aria-labelledby="built-in"><h2 id="built-in">${admin.builtIn}</h2>${table(others, admin.builtIn, words)}</section>`;
}

function faultItem({ plugin, file, message }: PluginFault): Html {
  return html`<li>${icon("warning")}<div><strong>${file ?? plugin}</strong><p>${message}</p></div></li>`;
}

function table(plugins: readonly PluginInfo[], label: string, { admin }: Words): Html {
  const heads = [admin.plugin, admin.provides, admin.hooks, admin.toolsOf, admin.page, admin.priority];
  return html`<div class="table" role="group" tabindex="0" aria-label="${label}"><table><thead><tr>${heads.map(
    (head) => html`<th scope="col">${head}</th>`,
  )}</tr></thead><tbody>${plugins.map(
    (plugin) =>
      html`<tr><th scope="row">${plugin.name}${plugin.file && html`<br><small>${plugin.file}</small>`}</th><td>${names(plugin.provides)}</td><td>${names(plugin.hooks)}</td><td>${names(plugin.tools)}</td><td>${pageOf(plugin)}</td><td class="right">${plugin.priority}</td></tr>`,
  )}</tbody></table></div>`;
}

function names(list: readonly string[]): readonly Html[] {
  return list.map((name, index) => html`${index > 0 && ", "}<code>${name}</code>`);
}

function pageOf({ name, access }: PluginInfo): Html | null {
  return access && html`<a href="/_plugin/${name}/">${access}</a>`;
}

function protocolTable(winners: Readonly<Record<string, string>>, own: readonly PluginInfo[], { admin }: Words): Html {
  const isOwn = (name: string) => own.some((plugin) => plugin.name === name);
  return html`<div class="table" role="group" tabindex="0" aria-label="${admin.protocols}"><table><thead><tr><th scope="col">${admin.protocol}</th><th scope="col">${admin.providedBy}</th></tr></thead><tbody>${Object.entries(
    winners,
  ).map(
    ([protocol, name]) =>
      html`<tr><th scope="row"><code>${protocol}</code></th><td>${isOwn(name) ? html`<strong>${name}</strong>` : name}</td></tr>`,
  )}</tbody></table></div>`;
}
