import type { Response } from "express";
import { createHeaders } from "../answer/response-headers.js";
import { send } from "../answer/send.js";

const setHeaders = createHeaders({
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  connectSrc: ["'self'"],
  formAction: ["'none'"],
  requireTrustedTypesFor: ["'script'"], // claims are strangers' text: the browser itself keeps them from becoming HTML
  trustedTypes: ["'none'"],
});

/** An answer of the inspector, with nothing in it that is not its own. */
export function sendHere(res: Response, type: string, text: string): void {
  setHeaders(res);
  send(res, type, text);
}

export const sendJson = (res: Response, value: unknown): void =>
  sendHere(res, "application/json; charset=utf-8", JSON.stringify(value));
