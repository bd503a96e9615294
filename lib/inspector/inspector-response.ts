import type { Response } from "express";
import { createHeaderSetter } from "../answer/response-headers.js";
import { send } from "../answer/send.js";

const setInspectorHeaders = createHeaderSetter({
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  connectSrc: ["'self'"],
  formAction: ["'none'"],
  // Claims can contain text of an attacker: with Trusted Types the browser itself keeps it from becoming
  // HTML.
  requireTrustedTypesFor: ["'script'"],
  trustedTypes: ["'none'"],
});

/** Sends a response of the inspector. Its policy allows only files of the inspector. */
export function sendInspectorResponse(res: Response, type: string, text: string): void {
  setInspectorHeaders(res);
  send(res, type, text);
}

/** Sends a value as JSON. */
export const sendInspectorJson = (res: Response, value: unknown): void =>
  sendInspectorResponse(res, "application/json; charset=utf-8", JSON.stringify(value));
