import type { Response } from "express";

/**
 * Calls a function when a response has ended. If the client breaks off its request, the function is called
 * then, and again when the handler ends the response: handlers go on, and may end the session later. Only
 * "prefinish" tells of that.
 */
export function onResponseEnd(res: Response, work: () => void): void {
  if (res.closed) {
    res.once("prefinish", work);
    return;
  }
  res.on("close", () => {
    if (!res.writableEnded) res.once("prefinish", work);
    work();
  });
}
