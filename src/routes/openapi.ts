/** GET /openapi/json: the API as a document, out of the routes' own schemas. Without a page of its own, which would need a CDN. */

import { openapi } from "@elysiajs/openapi";

/** What serves the page is no part of the API. */
const OF_THE_PAGE = [
  /^\/$/,
  /^\/t(?:\/|$)/,
  /^\/threads(?:\/|$)/,
  /^\/live$/,
  /^\/static/,
  /^\/openapi/,
  /^\/_plugin\//,
];

export function openapiRoutes() {
  return openapi({
    provider: null,
    exclude: { paths: OF_THE_PAGE },
    documentation: {
      info: {
        title: "Skeleton",
        version: "1",
        description: 'JSON in snake_case; errors are {"detail": "…"}; streams are Server-Sent Events.',
      },
      components: {
        securitySchemes: {
          bearer: { type: "http", scheme: "bearer", description: "access_token of POST /login" },
          cookie: { type: "apiKey", in: "cookie", name: "skeleton_session" },
        },
      },
      security: [{ bearer: [] }, { cookie: [] }],
    },
  });
}
