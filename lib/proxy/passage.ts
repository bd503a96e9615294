import type { Request, Response } from "express";
import type { Parts } from "../context/router-context.js";
import type { Ask } from "./ask.js";
import type { ProxySettings } from "./resolve-proxy-options.js";
import type { Wanted } from "./target.js";

/** One request on its way to the upstream and back. */
export interface Passage {
  readonly req: Request;
  readonly res: Response;
  /** Aborted when the answer has ended, or nobody waits for it any more. */
  readonly left: AbortSignal;
  readonly parts: Parts;
  /** The path of this proxy, as browsers see it. */
  readonly mount: string;
  readonly settings: ProxySettings;
  readonly ask: Ask;
  readonly wanted: Wanted;
}
