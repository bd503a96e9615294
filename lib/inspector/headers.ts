import type { IncomingMessage, ServerResponse } from "node:http";
import type { Response } from "express";
import helmet from "helmet";
import { send } from "../answer/send.js";

const protect = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'"],
      connectSrc: ["'self'"],
      formAction: ["'none'"],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
      requireTrustedTypesFor: ["'script'"], // claims are strangers' text: the browser itself keeps them from becoming HTML
      trustedTypes: ["'none'"],
    },
  },
  frameguard: { action: "deny" },
  referrerPolicy: { policy: "no-referrer" },
  strictTransportSecurity: false, // for the application to decide
});

/** An answer of the inspector: kept in no cache, framed by nobody, and with nothing in it that is not its own. */
export function sendHere(res: Response, type: string, text: string): void {
  protect({} as IncomingMessage, res as ServerResponse, () => {});
  res.setHeader("Cache-Control", "no-store");
  res.removeHeader("X-Powered-By");
  send(res, type, text);
}

export const sendJson = (res: Response, value: unknown): void =>
  sendHere(res, "application/json; charset=utf-8", JSON.stringify(value));
