/**
 * /_plugin/admin/: what is installed, for administrators: plugins and what each provides, what is wrong with those that are not
 * used, and who provides each protocol. A plugin like any other, with a button and no script.
 */

import { adminPage } from "../../views/admin";
import { AppError } from "../basics/errors";
import type { Core, Look, Plugin } from "../protocols";

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
      return show(core, look);
    },
  }),
};

function show({ plugins }: Core, look: Look): Response {
  const data = { plugins: plugins.list(), faults: plugins.faults(), winners: plugins.winners() };
  return look.page({ title: look.words.admin.title, body: adminPage(data, look.words) });
}
