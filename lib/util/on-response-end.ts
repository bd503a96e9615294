import type { Response } from "express";

/**
 * Calls a function when a response has ended. If the client aborts its request, the function is called twice:
 * at that moment, and when the handler ends the response. Handlers continue after an abort, and may end the
 * session later. Only "prefinish" reports that moment.
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
