import type { Answer } from "../../../example-app/portal/portal.js";

/** Answers by which a portal lies or breaks, for `portal.answerNext`. */
export const sendJson =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (_req, res) =>
    void res.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
