import type { Response } from "express";
import { createHeaderSetter } from "../answer/response-headers.js";
import { send } from "../answer/send.js";

const setInspectorHeaders = createHeaderSetter({
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  connectSrc: ["'self'"],
  formAction: ["'none'"],
  requireTrustedTypesFor: ["'script'"], // claims are strangers' text: the browser itself keeps them from becoming HTML
  trustedTypes: ["'none'"],
});

/** An answer of the inspector, with nothing in it that is not its own. */
export function sendInspectorResponse(res: Response, type: string, text: string): void {
  setInspectorHeaders(res);
  send(res, type, text);
}

export const sendInspectorJson = (res: Response, value: unknown): void =>
  sendInspectorResponse(res, "application/json; charset=utf-8", JSON.stringify(value));
